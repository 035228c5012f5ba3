"""The kernel provisioner `runbook-warm`: kernels forked by the command's fork server, else cold ones."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from runbook_lib.execution.warm_kernels import protocol
from runbook_lib.execution.warm_kernels.fork_client import Refused, fork
from runbook_lib.execution.warm_kernels.ready_client import PromptClient

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

__all__ = ["NAME", "WarmProvisioner", "choose"]

NAME = "runbook-warm"
"""The provisioner's name among jupyter_client's entry points."""

_log = logging.getLogger(__name__)
_MOMENT, _LOOKS = 0.5, 50  # seconds, and how often to look meanwhile


def choose(manager: Any) -> None:  # noqa: ANN401 - jupyter_client's, any of them
    """Let a kernel manager fork its kernel, where this command has a fork server; else leave it as it is."""
    if not os.environ.get(protocol.SERVER):
        return
    if NAME not in KernelProvisionerFactory.instance().get_provisioner_entries():
        _log.warning("a cold kernel is started: this runbook_lib is installed without its kernel provisioner")
        return
    wanted = {"kernel_provisioner": {"provisioner_name": NAME}}
    manager.kernel_spec.metadata = {**manager.kernel_spec.metadata, **wanted}
    manager.client_factory = PromptClient


class WarmProvisioner(LocalProvisioner):
    """Kernels on this machine, forked where that gives the same kernel."""

    process: Any  # a Popen or a Forked

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401 - Popen's
        """Fork a kernel, or start a cold one and say why.

        Args:
            cmd: The kernel's command line.
            kwargs: Options of `subprocess.Popen`.
        """
        # The fork server is its owner's, not the kernel's own.
        kwargs["env"] = {**(kwargs.get("env") or os.environ)}
        kwargs["env"].pop(protocol.SERVER, None)
        try:
            self.process = fork(cmd, **self._scrub_kwargs(kwargs))
        except (OSError, Refused) as problem:
            _log.info("a cold kernel is started, as this one cannot be forked: %s", problem)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        await self._listens()
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and what it has started.

        jupyter_client interrupts a kernel before it asks it to end. ipykernel ignores that between messages,
        but not while it puts the last one away: its event loop would be stopped half way, and its end take
        four seconds. So on the way to its end only a kernel at work is interrupted.
        """
        ending = self.parent is not None and self.parent.shutting_down
        if signum == signal.SIGINT and ending and await self._idle():
            return
        await super().send_signal(signum)

    async def _listens(self) -> None:
        """Wait until the kernel has its sockets: a client that comes before tries again only a tenth of a second on."""
        told: Any = self.connection_info
        if told.get("transport") != "ipc":
            return
        sockets = [
            f"{told['ip']}-{told[f'{name}_port']}" for name in ("shell", "stdin", "control", "iopub", "hb")
        ]
        for _ in range(_LOOKS):
            if all(map(os.path.exists, sockets)) or self.process.poll() is not None:
                return
            await asyncio.sleep(_MOMENT / _LOOKS)

    async def _idle(self) -> bool:
        """Return whether the kernel comes to rest within a moment."""
        for _ in range(_LOOKS):
            if _ignores_interrupts(self.pid):
                return True
            await asyncio.sleep(_MOMENT / _LOOKS)
        return False


def _ignores_interrupts(pid: int | None) -> bool:
    """Return whether a process ignores SIGINT, as ipykernel does at rest; one that has ended does."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return True
    ignored = re.search(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
    return ignored is not None and bool(int(ignored[1], 16) >> (signal.SIGINT - 1) & 1)
