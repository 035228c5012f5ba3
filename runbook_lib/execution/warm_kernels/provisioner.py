"""The kernel provisioner `runbook-warm`: kernels forked by the command's fork server, otherwise cold ones."""

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
from runbook_lib.execution.warm_kernels.fork_client import ForkRefused, fork
from runbook_lib.execution.warm_kernels.ready_client import ReadyClient

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

__all__ = ["NAME", "WarmProvisioner", "use_fork_server"]

NAME = "runbook-warm"
"""The provisioner's name among jupyter_client's entry points."""

_log = logging.getLogger(__name__)
_WAIT, _POLLS = 0.5, 50  # seconds, and how many checks meanwhile


def use_fork_server(manager: Any) -> None:  # noqa: ANN401 - jupyter_client's, any of them
    """Have a kernel manager fork its kernel, if this command has a fork server.

    Args:
        manager: Any kernel manager of jupyter_client.
    """
    if not os.environ.get(protocol.SERVER):
        return
    if NAME not in KernelProvisionerFactory.instance().get_provisioner_entries():
        _log.warning("starting a cold kernel: this runbook_lib is installed without its kernel provisioner")
        return
    chosen = {"kernel_provisioner": {"provisioner_name": NAME}}
    manager.kernel_spec.metadata = {**manager.kernel_spec.metadata, **chosen}
    manager.client_factory = ReadyClient


class WarmProvisioner(LocalProvisioner):
    """Kernels on this machine, forked if that gives the same kernel."""

    process: Any  # a Popen or a ForkedProcess

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401 - Popen's
        """Fork a kernel, or start a cold one and log the reason.

        Args:
            cmd: The kernel's command line.
            kwargs: Options of `subprocess.Popen`.
        """
        # The fork server is for the owner of the kernel, not for the kernel.
        kwargs["env"] = {**(kwargs.get("env") or os.environ)}
        kwargs["env"].pop(protocol.SERVER, None)
        try:
            self.process = fork(cmd, **self._scrub_kwargs(kwargs))
        except (OSError, ForkRefused) as problem:
            _log.info("starting a cold kernel, because the kernel cannot be forked: %s", problem)
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        if launched := getattr(self.parent, "kernel_launched", None):
            launched()
        await self._wait_for_sockets()
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and what it has started.

        jupyter_client interrupts a kernel before it asks it to exit. ipykernel ignores that between messages,
        but not while it finishes the last one: its event loop would be stopped half way, and its exit take
        four seconds. So during shutdown only a busy kernel is interrupted.
        """
        exiting = self.parent is not None and self.parent.shutting_down
        if signum == signal.SIGINT and exiting and await self._becomes_idle():
            return
        await super().send_signal(signum)

    async def _wait_for_sockets(self) -> None:
        """Wait until the kernel has its sockets: a client that comes earlier waits a tenth of a second more."""
        connection: Any = self.connection_info
        if connection.get("transport") != "ipc":
            return
        sockets = [
            f"{connection['ip']}-{connection[f'{name}_port']}"
            for name in ("shell", "stdin", "control", "iopub", "hb")
        ]
        for _ in range(_POLLS):
            if all(map(os.path.exists, sockets)) or self.process.poll() is not None:
                return
            await asyncio.sleep(_WAIT / _POLLS)

    async def _becomes_idle(self) -> bool:
        """Return whether the kernel becomes idle within half a second."""
        for _ in range(_POLLS):
            if _ignores_interrupts(self.pid):
                return True
            await asyncio.sleep(_WAIT / _POLLS)
        return False


def _ignores_interrupts(pid: int | None) -> bool:
    """Return whether a process ignores SIGINT, as an idle ipykernel does; a process that has exited counts as one."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return True
    ignored = re.search(r"^SigIgn:\s*(\w+)$", status, re.MULTILINE)
    return ignored is not None and bool(int(ignored[1], 16) >> (signal.SIGINT - 1) & 1)
