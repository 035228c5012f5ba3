"""The fork server: a process without threads that has the libraries imported and forks kernels.

It belongs to one command and exits with it, even if that was killed. In a forked kernel `serve` returns, so that
the kernel exits as any Python program does, with exit handlers and exit code.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.fast_import import without_modules
from runbook_lib.execution.warm_kernels import protocol
from runbook_lib.execution.warm_kernels.forked_kernel import ForkedKernel, become, leave
from runbook_lib.execution.warm_kernels.preloading import (
    FIRST,
    NOT_NEEDED,
    later,
    load,
    of_connections,
    precompute,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Server", "main"]

_PAUSE = 0.1  # seconds until a connection that could not be accepted is accepted again
_POLL = 1.0  # seconds between two checks whether the command is still running
_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
# Prefixes of variables that Python, the loader and the C library read only when a process starts.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_")


class Server:
    """Forks kernels, reports their exit codes, and kills those whose owner has exited.

    Args:
        listener: The socket that owners connect to.
        command: Process id of the command that this server belongs to.
    """

    def __init__(self, listener: socket.socket, command: int) -> None:
        self._listener = listener
        self._command = command
        self._pid = os.getpid()
        self._kernels: dict[socket.socket, int] = {}
        self._environment = _at_start(dict(os.environ))
        self._requests = 0
        self._to_load = later()
        self._selector: Any = selectors.DefaultSelector()
        self._wakeup_read, self._wakeup_write = socket.socketpair()
        self._stopped = False

    def serve(self) -> ForkedKernel | None:
        """Serve until the command exits or sends SIGTERM; in a forked kernel, return what it is to become."""
        self._wakeup_write.settimeout(0)
        self._wakeup_read.settimeout(0)
        signal.set_wakeup_fd(self._wakeup_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        for source in (self._listener, self._wakeup_read):
            self._selector.register(source, selectors.EVENT_READ)
        while os.getppid() == self._command and not self._stopped:
            loading = self._requests > 1 and self._to_load
            ready = self._selector.select(0 if loading else _POLL)
            if loading and not ready:
                self._to_load.pop(0)()
            for key, _ in ready:
                kernel = self._attend_safely(key.fileobj)
                if kernel:
                    return kernel
            self._reap()
        return None

    def end(self) -> None:
        """Kill all kernels."""
        for connection, pid in self._kernels.items():
            _kill(pid)
            os.waitpid(pid, 0)
            connection.close()

    def _stop(self, *_signal: object) -> None:
        self._stopped = True

    def _attend_safely(self, source: Any) -> ForkedKernel | None:  # noqa: ANN401 - as below
        """Attend to a source; an error is the end of its connection, not of this server with all its kernels."""
        try:
            return self._attend(source)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # a request can be any JSON
            if os.getpid() != self._pid:
                raise  # in a forked kernel, which is the only one to end
            if source is self._listener:
                time.sleep(_PAUSE)  # no descriptor is free for a connection, which stays in the queue
            elif source is not self._wakeup_read and source not in self._kernels:
                self._forget(source)
            return None

    def _attend(self, source: Any) -> ForkedKernel | None:  # noqa: ANN401 - a selector's file object
        if source is self._wakeup_read:
            with contextlib.suppress(BlockingIOError):
                self._wakeup_read.recv(4096)
        elif source is self._listener:
            connection, _ = self._listener.accept()
            self._selector.register(connection, selectors.EVENT_READ)
        elif source in self._kernels:
            self._kill_kernel(source)
        else:
            return self._answer_request(source)
        return None

    def _answer_request(self, connection: socket.socket) -> ForkedKernel | None:
        """Answer a connection's only request; in the forked kernel, return what it is to become."""
        try:
            packet, streams, _, _ = socket.recv_fds(connection, protocol.LIMIT, 2)
        except OSError:
            packet, streams = b"", []
        with contextlib.ExitStack() as received:
            for stream in streams:
                received.callback(os.close, stream)
            request = protocol.unpack(packet)
            if not request or "connections" in request:
                self._forget(connection)
                load(of_connections(request.get("connections", ())))
                return None
            self._requests += 1
            complete = len(streams) == len(("out", "err"))
            reason = self._refusal(request) if complete else "it has no output streams"
            if reason:
                self._refuse(connection, reason)
                return None
            kernel = ForkedKernel(
                tuple(request["argv"][3:]), request["cwd"], request["environment"], tuple(streams)
            )
            if self._fork(connection) != 0:
                return None
            received.pop_all()
            return kernel

    def _refuse(self, connection: socket.socket, reason: str) -> None:
        with contextlib.suppress(OSError):
            connection.send(protocol.pack(refused=reason))
        self._forget(connection)

    def _fork(self, connection: socket.socket) -> int | None:
        """Fork; return the process id, 0 in the new process, or None where no process can be made."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
        except OSError as problem:  # at a limit of processes or of memory: the other kernels run on
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._refuse(connection, f"the fork failed: {problem.strerror or problem}")
            return None
        if pid == 0:
            # No handler of the server runs here: signals stay blocked until their handlers are restored.
            signal.set_wakeup_fd(-1)
            sources = [key.fileobj for key in self._selector.get_map().values()]
            self._selector.close()
            for owned in {self._wakeup_write, *self._kernels, *sources}:
                owned.close()
            return 0
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._kernels[connection] = pid
        with contextlib.suppress(OSError):  # that the owner has exited is noticed at the next poll
            connection.send(protocol.pack(pid=pid))
        return pid

    def _refusal(self, request: dict[str, Any]) -> str:
        """Return why a fork would not be the kernel that was requested; empty if it would."""
        argv, environment, cwd = request["argv"], request["environment"], request["cwd"]
        if argv[:3] != [sys.executable, "-m", "ipykernel_launcher"]:
            return f"its command is {' '.join(argv[:3])}"
        needed = _at_start(environment)
        differing = {
            name for name in {*needed, *self._environment} if needed.get(name) != self._environment.get(name)
        }
        if differing:
            return f"variables that are read only when Python starts differ: {', '.join(sorted(differing))}"
        shadowing = sorted(self._shadowing_modules(Path(cwd)))
        if shadowing:
            return f"{cwd} contains modules with the names of libraries: {', '.join(shadowing)}"
        if threading.active_count() > 1:
            return "a library has started a thread"
        return ""

    def _shadowing_modules(self, cwd: Path) -> Iterator[str]:
        """Yield the modules that a kernel started in `cwd` would import from there, in place of a loaded library."""
        try:
            local = {path.stem for path in cwd.iterdir() if path.suffix in {"", ".py", ".so"}}
        except OSError:
            return
        for name in local & {name.partition(".")[0] for name in sys.modules}:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is None or not Path(file).resolve().is_relative_to(cwd.resolve()):
                yield name

    def _reap(self) -> None:
        for connection, pid in list(self._kernels.items()):
            exited, status = os.waitpid(pid, os.WNOHANG)
            if exited:
                with contextlib.suppress(OSError):
                    connection.send(protocol.pack(exit=os.waitstatus_to_exitcode(status)))
                del self._kernels[connection]
                self._forget(connection)

    def _kill_kernel(self, connection: socket.socket) -> None:
        _kill(self._kernels[connection])
        self._selector.unregister(connection)

    def _forget(self, connection: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):  # unregistered, or closed
            self._selector.unregister(connection)
        connection.close()


def main() -> None:
    """Serve on the socket descriptor argv[1] for the command argv[2]; in a forked kernel, run that kernel."""
    listener, command = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    listener.set_inheritable(False)
    directory = Path(listener.getsockname()).parent
    with without_modules(*NOT_NEEDED):
        load(FIRST)
    server = Server(listener, command)
    precompute()
    kernel = None
    server_pid = os.getpid()
    try:
        kernel = server.serve()
    finally:
        if os.getpid() == server_pid:
            server.end()
            shutil.rmtree(directory, ignore_errors=True)
    if kernel:
        become(kernel, server_pid)
        leave()
    else:
        os._exit(0)  # only memory is left to be freed, and the command waits for the exit


def _kill(pid: int) -> None:
    """Kill a kernel that was not reaped yet, with its process group once it has one."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def _at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
