"""The fork server: a process without threads that has the libraries imported and forks kernels.

It belongs to one command and exits with it, even if that was killed. In a forked kernel `serve` returns, so that
the kernel exits as any Python program does, with exit handlers and exit code.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.registry import BUILT_IN
from runbook_lib.execution.fast_import import without_modules
from runbook_lib.execution.warm_kernels import protocol
from runbook_lib.execution.warm_kernels.forked_kernel import ForkedKernel, become, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Server", "main"]

_POLL = 1.0  # seconds between two checks whether the command is still running
_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
_FIRST = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "runbook_lib.runbook.runbook",
)
_NOT_NEEDED = ("debugpy",)  # 0.06 s; nobody attaches a debugger to a headless kernel
# Worth the time once more than one kernel was requested; so are all facts and operations.
_LATER = ("pyroute2.netns", "runbook_lib.connections.docker_adapter", "runbook_lib.books.docker.parameters")
_PACKAGES = ("runbook_lib.facts", "runbook_lib.operations")
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
        self._kernels: dict[socket.socket, int] = {}
        self._environment = _at_start(dict(os.environ))
        self._requests = 0
        self._to_load = _later()
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
                kernel = self._attend(key.fileobj)
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
        request = protocol.unpack(packet)
        if not request or "connections" in request:
            self._forget(connection)
            _load(_of_connections(request.get("connections", ())))
            return None
        self._requests += 1
        reason = self._refusal(request) if len(streams) == len(("out", "err")) else "it has no output streams"
        if reason:
            with contextlib.suppress(OSError):
                connection.send(protocol.pack(refused=reason))
            self._forget(connection)
        else:
            kernel = ForkedKernel(
                tuple(request["argv"][3:]), request["cwd"], request["environment"], tuple(streams)
            )
            if self._fork(connection) == 0:
                return kernel
        for stream in streams:
            os.close(stream)
        return None

    def _fork(self, connection: socket.socket) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
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
        with contextlib.suppress(KeyError):
            self._selector.unregister(connection)
        connection.close()


def main() -> None:
    """Serve on the socket descriptor argv[1] for the command argv[2]; in a forked kernel, run that kernel."""
    listener, command = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    listener.set_inheritable(False)
    directory = Path(listener.getsockname()).parent
    with without_modules(*_NOT_NEEDED):
        _load(_FIRST)
    server = Server(listener, command)
    _precompute()
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


def _later() -> list[Callable[[], None]]:
    """Return what is done once more than one kernel was requested: load templates, and modules that some kernels need.

    A single kernel needs few of them: it would wait for the others.
    """
    packages = [importlib.import_module(name) for name in _PACKAGES]
    modules = [
        *_LATER,
        *(
            item.name
            for package in packages
            for item in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        ),
    ]
    return [_load_templates, *(partial(_load, [name]) for name in modules)]


def _of_connections(kinds: Iterable[str]) -> list[str]:
    """Return the modules of kinds of connection; a package that adds a kind may start threads when it is loaded."""
    return [BUILT_IN[kind].partition(":")[0] for kind in kinds if kind in BUILT_IN]


def _load(names: Iterable[str]) -> None:
    """Import modules that are installed, and keep the garbage collector off the memory that forked kernels share."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _precompute() -> None:
    """Do what every kernel would otherwise do itself, with the same result."""
    from runbook_lib.runbook import provenance  # noqa: PLC0415 - imported by now

    provenance.versions()
    gc.freeze()


def _load_templates() -> None:
    from runbook_lib.display import cards  # noqa: PLC0415 - as above

    cards.load_templates()
    gc.freeze()


def _kill(pid: int) -> None:
    """Kill a kernel that was not reaped yet, with its process group once it has one."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
