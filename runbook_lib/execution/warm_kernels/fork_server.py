"""The fork server: a process without threads that has the libraries loaded and forks kernels.

It belongs to one command and ends with it, also where that was killed. In a forked kernel `serve` returns,
so that the kernel ends as any Python program does, exit handlers and exit code included.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.fast_import import without_modules
from runbook_lib.execution.warm_kernels import protocol
from runbook_lib.execution.warm_kernels.forked_kernel import Job, become

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Server", "main"]

_LOOK = 1.0  # seconds between two looks at whether the command is still there
_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
_FIRST = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "runbook_lib.runbook.session",
)
_NOT_NEEDED = ("debugpy",)  # 0.06 s; nobody attaches a debugger to a kernel that no person has opened
# Once more than one kernel was asked for, these are worth the time; all facts and operations come with them.
_LATER = ("pyroute2.netns", "runbook_lib.connections.docker_adapter", "runbook_lib.books.docker.parameters")
_PACKAGES = ("runbook_lib.facts", "runbook_lib.operations")
# What Python, the loader and the C library read once, when a process starts.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_")


class Server:
    """Forks kernels, tells their ends, and ends those whose owner is gone.

    Args:
        listener: Where owners connect.
        command: Process id of the command that this server belongs to.
    """

    def __init__(self, listener: socket.socket, command: int) -> None:
        self._listener = listener
        self._command = command
        self._kernels: dict[socket.socket, int] = {}
        self._environment = _at_start(dict(os.environ))
        self._asked_for = 0
        self._to_load = _later()
        self._selector: Any = selectors.DefaultSelector()
        self._woken, self._wakes = socket.socketpair()
        self._stopped = False

    def serve(self) -> Job | None:
        """Serve until the command is gone or says so by SIGTERM; in a forked kernel, return what it is to become."""
        self._wakes.settimeout(0)
        self._woken.settimeout(0)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        for source in (self._listener, self._woken):
            self._selector.register(source, selectors.EVENT_READ)
        while os.getppid() == self._command and not self._stopped:
            loading = self._asked_for > 1 and self._to_load
            ready = self._selector.select(0 if loading else _LOOK)
            if loading and not ready:
                _load([self._to_load.pop(0)])
            for key, _ in ready:
                job = self._attend(key.fileobj)
                if job:
                    return job
            self._reap()
        return None

    def end(self) -> None:
        """End all kernels."""
        for connection, pid in self._kernels.items():
            _kill(pid)
            os.waitpid(pid, 0)
            connection.close()

    def _stop(self, *_signal: object) -> None:
        self._stopped = True

    def _attend(self, source: Any) -> Job | None:  # noqa: ANN401 - a selector's file object
        if source is self._woken:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        elif source is self._listener:
            connection, _ = self._listener.accept()
            self._selector.register(connection, selectors.EVENT_READ)
        elif source in self._kernels:
            self._owner_gone(source)
        else:
            return self._asked(source)
        return None

    def _asked(self, connection: socket.socket) -> Job | None:
        """Answer a connection's one request; return the job in the forked kernel."""
        self._asked_for += 1
        try:
            packet, streams, _, _ = socket.recv_fds(connection, protocol.LIMIT, 2)
        except OSError:
            packet, streams = b"", []
        told = protocol.unpack(packet)
        if not told:
            self._forget(connection)
            return None
        why = self._refusal(told) if len(streams) == len(("out", "err")) else "it was given no streams"
        if why:
            with contextlib.suppress(OSError):
                connection.send(protocol.pack(refused=why))
            self._forget(connection)
        else:
            job = Job(tuple(told["argv"][3:]), told["cwd"], told["environment"], tuple(streams))
            if self._fork(connection) == 0:
                return job
        for stream in streams:
            os.close(stream)
        return None

    def _fork(self, connection: socket.socket) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            # No handler of the server runs here: signals stay blocked until they are put back.
            signal.set_wakeup_fd(-1)
            sources = [key.fileobj for key in self._selector.get_map().values()]
            self._selector.close()
            for owned in {self._wakes, *self._kernels, *sources}:
                owned.close()
            return 0
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._kernels[connection] = pid
        with contextlib.suppress(OSError):  # an owner that is gone is seen at the next look
            connection.send(protocol.pack(pid=pid))
        return pid

    def _refusal(self, told: dict[str, Any]) -> str:
        """Return why a fork would not be the kernel that was asked for; empty where it would."""
        argv, environment, cwd = told["argv"], told["environment"], told["cwd"]
        if argv[:3] != [sys.executable, "-m", "ipykernel_launcher"]:
            return f"it is started with {' '.join(argv[:3])}"
        wanted = _at_start(environment)
        other = {
            name for name in {*wanted, *self._environment} if wanted.get(name) != self._environment.get(name)
        }
        if other:
            return f"{', '.join(sorted(other))} differ, which are read only when Python starts"
        hidden = sorted(self._shadowed(Path(cwd)))
        if hidden:
            return f"{cwd} has modules of the same names as libraries: {', '.join(hidden)}"
        if threading.active_count() > 1:
            return "a library has started a thread"
        return ""

    def _shadowed(self, cwd: Path) -> Iterator[str]:
        """Yield what a kernel started in `cwd` would import from there and not from where it is loaded."""
        try:
            here = {path.stem for path in cwd.iterdir() if path.suffix in {"", ".py", ".so"}}
        except OSError:
            return
        for name in here & {name.partition(".")[0] for name in sys.modules}:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is None or not Path(file).resolve().is_relative_to(cwd.resolve()):
                yield name

    def _reap(self) -> None:
        for connection, pid in list(self._kernels.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                with contextlib.suppress(OSError):
                    connection.send(protocol.pack(exit=os.waitstatus_to_exitcode(status)))
                del self._kernels[connection]
                self._forget(connection)

    def _owner_gone(self, connection: socket.socket) -> None:
        _kill(self._kernels[connection])
        self._selector.unregister(connection)

    def _forget(self, connection: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(connection)
        connection.close()


def main() -> None:
    """Serve on the socket descriptor argv[1] for the command argv[2]; in a forked kernel, be that kernel."""
    listener, command = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    listener.set_inheritable(False)
    place = Path(listener.getsockname()).parent
    with without_modules(*_NOT_NEEDED):
        _load(_FIRST)
    server = Server(listener, command)
    _look_up()
    job = None
    me = os.getpid()
    try:
        job = server.serve()
    finally:
        if os.getpid() == me:
            server.end()
            shutil.rmtree(place, ignore_errors=True)
    if job:
        become(job, me)
    else:
        os._exit(0)  # nothing is left to be put away but memory, and the command waits for this


def _later() -> list[str]:
    """Return the names of what kernels may need beside what each needs."""
    packages = [importlib.import_module(name) for name in _PACKAGES]
    return [
        *_LATER,
        *(
            item.name
            for package in packages
            for item in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        ),
    ]


def _load(names: Iterable[str]) -> None:
    """Import modules, and keep the collector from touching what forked kernels share; what is missing is left out."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def _look_up() -> None:
    """Do what each kernel would do once: it is the same for all of them."""
    from runbook_lib.display import cards  # noqa: PLC0415 - loaded by now
    from runbook_lib.runbook import provenance  # noqa: PLC0415 - as above

    provenance.versions()
    cards.load_templates()
    gc.freeze()


def _kill(pid: int) -> None:
    """Kill a kernel that was not reaped yet, with its group once it has one."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
