"""papermill with its own engine, and nbclient, on a machine on which other tests open ports.

jupyter_client reaches their kernels over TCP: it chooses five free ports and closes them again, and another process can
take one before the kernel binds it. The kernel then dies before it has answered. Our engine reaches kernels over IPC.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import AsyncKernelManager

from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

DIED_AT_START = "Kernel died before replying to kernel_info"
"""What jupyter_client says of a kernel that could not bind its ports."""
_TIMES = 5


def papermill(
    command: Sequence[str],
    seconds: float = 300,
    **options: Any,  # noqa: ANN401 - subprocess's
) -> subprocess.CompletedProcess[str]:
    """Run a command line of papermill; once more if its kernel died before it had executed anything."""
    for _ in range(_TIMES):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=deadline(seconds), **options
        )
        if DIED_AT_START not in done.stderr:
            break
    return done


class PlainKernelManager(AsyncKernelManager):
    """For the option `kernel_manager_class` of nbclient and papermill: no ports."""

    def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - traitlets
        self._sockets = tempfile.mkdtemp(prefix="kernel-", dir="/tmp")
        super().__init__(**{**traits, "transport": "ipc", "ip": f"{self._sockets}/kernel"})

    async def _async_cleanup_resources(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - as there
        await super()._async_cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self._sockets, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources
