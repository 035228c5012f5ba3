"""The kernel provisioner `runbook-warm`: kernels forked by the command's fork server, else cold ones."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from runbook_lib.execution.warm import wire

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

__all__ = ["NAME", "Forked", "WarmProvisioner", "choose"]

NAME = "runbook-warm"
"""The provisioner's name among jupyter_client's entry points."""

_log = logging.getLogger(__name__)
_PATIENCE = 60.0  # seconds that the server may take to load its libraries


def choose(manager: Any) -> None:  # noqa: ANN401 - jupyter_client is untyped here
    """Let a kernel manager fork its kernel, where this command has a fork server; else leave it as it is."""
    if not os.environ.get(wire.SERVER):
        return
    wanted = {"kernel_provisioner": {"provisioner_name": NAME}}
    if NAME in KernelProvisionerFactory.instance().get_provisioner_entries():
        manager.kernel_spec.metadata = {**manager.kernel_spec.metadata, **wanted}
    else:
        _log.warning("a cold kernel is started: runbook_lib was installed without its kernel provisioner")


class Forked:
    """A forked kernel, as `subprocess.Popen` would show it; it is no child of this process.

    Args:
        pid: Its process id, and its process group's.
        connection: To the fork server; where it closes, the kernel is ended.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._look(0.0)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        code = self._look(None)
        return -signal.SIGKILL if code is None else code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is not None:
            return self.returncode
        self._connection.settimeout(timeout)
        try:
            told = wire.unpack(self._connection.recv(wire.LIMIT))
        except BlockingIOError:
            return None
        except OSError:
            told = {}
        self._connection.close()
        self.returncode = told["exit"] if told else self._without_server()
        return self.returncode

    def _without_server(self) -> int:
        """End a kernel whose server died: nobody is left to tell how it ends."""
        _log.warning("the fork server has died: kernel %d is ended", self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return -signal.SIGKILL


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc] - jupyter_client is untyped here
    """Kernels on this machine, forked where that gives the same kernel."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401 - Popen's
        """Fork a kernel, or start a cold one and say why.

        Args:
            cmd: The kernel's command line.
            kwargs: Options of `subprocess.Popen`.
        """
        try:
            forked = _fork(cmd, **self._scrub_kwargs(kwargs))
        except (OSError, _Refused) as problem:
            _log.info("a cold kernel is started, as this one cannot be forked: %s", problem)
            kwargs["env"] = _environment(kwargs.get("env"))
            return await super().launch_kernel(cmd, **kwargs)
        self.process = forked
        self.pid = self.pgid = forked.pid
        self.cwd = kwargs.get("cwd") or os.getcwd()
        return self.connection_info


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """The fork server will not fork this kernel."""


def _fork(
    cmd: list[str],
    *,
    env: dict[str, str] | None = None,
    cwd: str | None = None,
    stdin: int | None = None,  # noqa: ARG001 - a kernel's is always empty
    stdout: int | None = None,
    stderr: int | None = None,
    independent: bool = False,
    **options: Any,  # noqa: ANN401 - Popen's
) -> Forked:
    """Ask the fork server for a kernel.

    Raises:
        OSError: There is no server, or it is gone.
        _Refused: It will not, and says why.
    """
    server = os.environ.get(wire.SERVER)
    if not server:
        raise _Refused("this command has no fork server")
    if independent or options or any(stream is not None and stream < 0 for stream in (stdout, stderr)):
        raise _Refused("it is started with options that only a program can have")
    environment = _environment(env)
    environment["JPY_PARENT_PID"] = str(os.getpid())
    request = wire.pack(argv=cmd, cwd=str(cwd or os.getcwd()), environment=environment)
    streams = [1 if stdout is None else stdout, 2 if stderr is None else stderr]
    with contextlib.ExitStack() as refused:
        connection = refused.enter_context(wire.connect(server))
        connection.settimeout(_PATIENCE)
        socket.send_fds(connection, [request], streams)
        told = wire.unpack(connection.recv(wire.LIMIT))
        if "pid" not in told:
            raise _Refused(told.get("refused", "the fork server has died"))
        refused.pop_all()
    return Forked(told["pid"], connection)


def _environment(given: dict[str, str] | None) -> dict[str, str]:
    """Return a kernel's environment: the fork server is its owner's, not its own."""
    environment = dict(os.environ if given is None else given)
    environment.pop(wire.SERVER, None)
    return environment
