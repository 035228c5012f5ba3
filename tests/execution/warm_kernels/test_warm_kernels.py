"""Forked kernels are kernels like any other: their own process, their own state, and their end is known."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from runbook_lib.errors import InputError
from runbook_lib.execution.warm_kernels import lifetime, protocol
from runbook_lib.execution.warm_kernels.fork_client import preload
from runbook_lib.execution.warm_kernels.lifetime import KERNELS, fork_server
from runbook_lib.execution.warm_kernels.protocol import SERVER
from runbook_lib.execution.warm_kernels.provisioner import use_fork_server
from runbook_lib.model.records import SCHEMA_VERSION
from tests.deadlines import deadline, wait_until
from tests.execution.processes import alive, parent_of
from tests.process_files import process_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WAIT = 60.0  # seconds for a kernel, on an idle machine
Start = Any  # Callable[..., Kernel]


@dataclass(frozen=True)
class Kernel:
    manager: Any
    client: Any

    @property
    def pid(self) -> int:
        found: int = self.manager.provisioner.pid
        return found

    def run(self, code: str) -> str:
        """Run a cell; return what it printed, or the name of the error it ended with."""
        output: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                output.append(content["text"])
            elif message["msg_type"] == "error":
                output.append(content["ename"])

        self.client.execute_interactive(code, timeout=deadline(_WAIT), output_hook=hear)
        return "".join(output).strip()

    def send(self, code: str) -> None:
        """Begin a cell and do not wait for it."""
        self.client.execute(code)

    def exit(self) -> None:
        """Ask the kernel to exit, and wait; a KernelManager kills it only after half of the time that it waits."""
        self.manager.shutdown_wait_time = 2 * deadline(_WAIT)
        self.manager.shutdown_kernel()

    def ended(self) -> int | None:
        """Return the exit code, as the provisioner reports it."""
        code: int | None = self.manager.provisioner.process.poll()
        return code


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fork server of this test's own."""
    monkeypatch.delenv(SERVER, raising=False)
    with fork_server("warm"):
        yield


@pytest.fixture
def start(tmp_path: Path, server: None) -> Iterator[Callable[..., Kernel]]:  # noqa: ARG001 - it is there
    with contextlib.ExitStack() as started:

        def begin(**options: Any) -> Kernel:  # noqa: ANN401 - Popen's
            manager: Any = KernelManager(transport="ipc", ip=str(tmp_path / f"s{time.monotonic_ns()}"))
            use_fork_server(manager)
            manager.client_factory = "jupyter_client.blocking.BlockingKernelClient"
            manager.start_kernel(**options)
            client = manager.client()
            client.start_channels()
            started.callback(manager.cleanup_resources)
            started.callback(manager.shutdown_kernel, now=True)
            started.callback(client.stop_channels)
            client.wait_for_ready(timeout=deadline(_WAIT))
            return Kernel(manager, client)

        yield begin


def fork_server_of(kernel: Kernel) -> int:
    """Return the process that forked it; a cold kernel's parent is these tests' own process."""
    assert is_forked(kernel), "a cold kernel was started"
    return parent_of(kernel.pid)


def is_forked(kernel: Kernel) -> bool:
    return "warm_kernels.fork_server" in process_file(parent_of(kernel.pid), "cmdline")


def test_what_kernels_need_to_reach_hosts_is_loaded_before_they_are_forked(start: Start) -> None:
    preload({"ssh", "of-another-package"})
    kernel = start()
    assert is_forked(kernel)
    assert kernel.run("import sys; print('runbook_lib.connections.ssh' in sys.modules)") == "True"


def test_a_kernel_is_forked_into_a_session_of_its_own(start: Start) -> None:
    first, second = start(), start()
    assert is_forked(first)
    assert parent_of(first.pid) == parent_of(second.pid) != os.getpid()
    for kernel in (first, second):
        assert kernel.run("import os; print(os.getpid(), os.getpgrp(), os.getsid(0))") == " ".join(
            [str(kernel.pid)] * 3
        )
    assert "warm_kernels.fork_server" not in first.run("import sys; print(sys.argv, sys.path)")
    assert first.run(f"print(os.environ.get({SERVER!r}))") == "None"


def test_nothing_passes_from_one_kernel_to_another(start: Start, tmp_path: Path) -> None:
    first = start(cwd=str(tmp_path), env={**os.environ, "ONE": "1"})
    first.run(
        "import os, random, runbook_lib.model.records as model\n"
        "model.SCHEMA_VERSION = 77; os.environ['LEFT'] = 'behind'; os.chdir('/'); random.seed(1)"
    )
    second = start(env={**os.environ, "TWO": "2"})
    shown = "import os, random, runbook_lib.model.records as model\n"
    assert (
        second.run(f"{shown}print(model.SCHEMA_VERSION, os.environ.get('LEFT'), os.environ.get('ONE'))")
        == f"{SCHEMA_VERSION} None None"
    )
    assert second.run("print(os.environ['TWO'], os.getcwd())") == f"2 {Path.cwd()}"
    assert second.run("print(random.random())") != first.run("print(random.random())")
    assert first.run("print(model.SCHEMA_VERSION, os.environ['ONE'])") == "77 1"
    opened = "print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in (0,)))"
    assert second.run(opened) == "['/dev/null']"


def test_two_kernels_draw_different_numbers(start: Start) -> None:
    draw = "import random, uuid, tempfile; print(random.random(), uuid.uuid4(), tempfile.mktemp())"
    first, second = start().run(draw).split(), start().run(draw).split()
    assert not set(first) & set(second)


def test_its_exit_code_is_reported(start: Start) -> None:
    kernel = start()
    kernel.send("import os; os._exit(3)")
    assert wait_until(kernel.ended) == 3
    assert kernel.manager.is_alive() is False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_that_kills_it_is_reported(start: Start, number: signal.Signals) -> None:
    kernel = start()
    assert kernel.ended() is None
    os.kill(kernel.pid, number)
    assert wait_until(kernel.ended) == -number
    assert not alive(kernel.pid)


def test_a_cell_is_interrupted_and_the_kernel_lives_on(start: Start, tmp_path: Path) -> None:
    kernel = start()
    begun = tmp_path / "begun"
    work = f"open({str(begun)!r}, 'w').close(); time.sleep(600)"
    kernel.send(f"import time\ntry:\n    {work}\nexcept KeyboardInterrupt:\n    heard = True")
    wait_until(begun.exists)
    kernel.manager.interrupt_kernel()
    assert kernel.run("print(heard)") == "True"


_LEFT = """
import pathlib, sys, threading, time, types, weakref
class Final:
    def __init__(self, name): self.path = f"{place}/{name}"
    def __del__(self, open=open): open(self.path, "w").write("done")
final = Final("variable")
cycle = Final("cycle"); cycle.itself = cycle
weakref.finalize(types, pathlib.Path(place, "finalizer").write_text, "done")
mine = sys.modules["mine"] = types.ModuleType("mine")
mine.file = open(f"{place}/module", "w"); mine.file.write("done")
file = open(f"{place}/file", "wb"); file.write(b"done")
threading.Thread(target=lambda: (time.sleep(0.3), Final("thread"))).start()
"""


def test_what_a_cell_leaves_open_is_completed_at_its_exit(start: Start, tmp_path: Path) -> None:
    kernel = start()
    assert is_forked(kernel)
    assert not kernel.run(f"place = {str(tmp_path)!r}\n{_LEFT}")
    process = kernel.manager.provisioner.process
    kernel.exit()
    assert process.poll() == 0
    names = ("variable", "cycle", "finalizer", "module", "file", "thread")
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in names} == dict.fromkeys(
        names, "done"
    )


def test_it_is_asked_to_end_and_runs_its_exit_handlers(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run(f"import atexit, pathlib; atexit.register(pathlib.Path({str(tmp_path / 'ended')!r}).touch)")
    kernel.exit()
    assert (tmp_path / "ended").exists()
    assert kernel.manager.has_kernel is False
    assert not alive(kernel.pid)


def test_a_kernel_at_work_is_ended_too(start: Start, tmp_path: Path) -> None:
    kernel = start()
    begun = tmp_path / "begun"
    kernel.send(f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)")
    wait_until(begun.exists)
    kernel.manager.shutdown_kernel()
    assert not alive(kernel.pid)


def test_it_can_be_started_again(start: Start) -> None:
    kernel = start()
    before = kernel.pid
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=deadline(_WAIT))
    assert kernel.pid != before
    assert is_forked(kernel)
    assert kernel.run("print('again')") == "again"


def test_a_killed_server_leaves_no_kernel_and_no_doubt(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = start()
    os.kill(fork_server_of(kernel), signal.SIGKILL)
    assert wait_until(kernel.ended) == -signal.SIGKILL
    wait_until(lambda: not alive(kernel.pid))
    assert "the fork server has died" in caplog.text
    with caplog.at_level(logging.INFO):
        cold = start()
    assert parent_of(cold.pid) == os.getpid()
    assert cold.run("print('well')") == "well"
    assert "starting a cold kernel" in caplog.text


_SECOND_FORK_FAILS = """
import errno, itertools, os
forks, fork = itertools.count(1), os.fork
def failing():
    if next(forks) == 2:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()
os.fork = failing
"""


@pytest.fixture
def full_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork server is once at a limit of processes; the limits themselves do not count for root."""
    monkeypatch.setattr(lifetime, "_PROGRAM", f"exec({_SECOND_FORK_FAILS!r}); {lifetime._PROGRAM}")  # noqa: SLF001


@pytest.mark.usefixtures("full_machine")
def test_a_fork_that_fails_makes_one_cold_kernel_and_leaves_the_others_alone(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    start = request.getfixturevalue("start")
    first = start()
    assert is_forked(first)
    with caplog.at_level(logging.INFO):
        second = start()
    assert not is_forked(second)
    assert "cannot be forked: the fork failed: Resource temporarily unavailable" in caplog.text
    assert [kernel.run("print('well')") for kernel in (first, second)] == ["well", "well"]
    third = start()
    assert parent_of(third.pid) == parent_of(first.pid)
    os.kill(third.pid, signal.SIGTERM)
    assert wait_until(third.ended) == -signal.SIGTERM


@pytest.mark.parametrize("packet", [b"no JSON", b"[7]", b"7", b'{"argv": 7}', b'{"connections": 7}'])
def test_a_request_that_is_not_understood_ends_its_connection_alone(start: Start, packet: bytes) -> None:
    kernel = start()
    with protocol.connect(os.environ[SERVER]) as connection:
        socket.send_fds(connection, [packet], [1, 2])
        connection.settimeout(deadline(_WAIT))
        assert "pid" not in protocol.unpack(connection.recv(protocol.LIMIT))
    assert kernel.run("print('well')") == "well"
    assert parent_of(start().pid) == parent_of(kernel.pid)


def test_a_server_without_a_free_descriptor_keeps_its_kernels(start: Start) -> None:
    kernel = start()
    server = fork_server_of(kernel)
    before = resource.prlimit(server, resource.RLIMIT_NOFILE)
    resource.prlimit(server, resource.RLIMIT_NOFILE, (4, before[1]))
    with protocol.connect(os.environ[SERVER]) as waiting:
        waiting.settimeout(1)
        waiting.send(protocol.pack(connections=[]))
        with pytest.raises(TimeoutError):
            waiting.recv(protocol.LIMIT)
        assert kernel.run("print('well')") == "well"
        resource.prlimit(server, resource.RLIMIT_NOFILE, before)
        waiting.settimeout(deadline(_WAIT))
        assert waiting.recv(protocol.LIMIT) == b""
    assert parent_of(start().pid) == server


def test_what_python_reads_only_at_its_start_makes_a_cold_kernel(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        kernel = start(env={**os.environ, "PYTHONHASHSEED": "7"})
    assert parent_of(kernel.pid) == os.getpid()
    assert "differ: PYTHONHASHSEED" in caplog.text


def test_a_module_in_the_notebooks_directory_is_not_hidden_by_a_library(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "yaml.py").write_text("mine = True\n", encoding="utf-8")
    with caplog.at_level(logging.INFO):
        kernel = start(cwd=str(tmp_path))
    assert kernel.run("import yaml; print(yaml.mine)") == "True"
    assert "contains modules with the names of libraries: yaml" in caplog.text


def test_a_server_ends_with_its_pool_and_ends_its_kernels(start: Start) -> None:
    kernel = start()
    place = Path(os.environ[SERVER]).parent
    assert place.stat().st_mode & 0o777 == 0o700
    server = fork_server_of(kernel)
    os.kill(server, signal.SIGTERM)
    wait_until(lambda: not alive(kernel.pid))
    wait_until(lambda: not place.exists())


@pytest.mark.usefixtures("server")
def test_a_pool_inside_of_another_starts_no_second_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KERNELS, raising=False)
    outer = os.environ[SERVER]
    with fork_server():
        assert os.environ[SERVER] == outer
    with fork_server("cold"):
        assert SERVER not in os.environ
    assert os.environ[SERVER] == outer


def test_another_kind_of_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KERNELS, "tepid")
    with (
        pytest.raises(InputError, match=r"unknown kind of kernel 'tepid'(.|\n)*choose warm or cold"),
        fork_server(),
    ):
        pass
