from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING

import pytest

from runbook_lib.execution.warm_kernels.lifetime import KERNELS, pool
from tests.ipython_kernel import kernel, started_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kernel", "started_kernel"]

# A shell starts background jobs with SIGINT ignored, and every program below would inherit that: Ctrl-C
# could not be tested there. A handler is put back to the default where a program is started.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests change this machine as a host. Several test sessions at once must not wait for each other's locks.
_locks = tempfile.mkdtemp(prefix="runbook-test-locks-")
atexit.register(shutil.rmtree, _locks, ignore_errors=True)
os.environ["RUNBOOK_LOCK_FILE"] = f"{_locks}/lock"


@pytest.fixture(scope="session", autouse=True)
def kernels() -> Iterator[None]:
    """With RUNBOOK_KERNELS=warm, fork every kernel that the tests start, those of plain papermill too."""
    if os.environ.get(KERNELS) != "warm":
        yield
        return
    with pytest.MonkeyPatch.context() as environment, pool("warm"):
        environment.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "runbook-warm")
        yield
