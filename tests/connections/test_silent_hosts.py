"""A host that does not answer costs its own step, and no more time than the deadline and the grace periods."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from runbook_lib import Runbook
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import StepFailed, UnreachableError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.grace_periods import (
    COMMAND_AFTER_INTERRUPT,
    COMMAND_START,
    OVERDUE_CALL,
    TERMINATION_COMMAND,
)
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.status import Status
from runbook_lib.secrets import Secrets
from tests.connections import hostile_ssh
from tests.deadlines import deadline, wait_until
from tests.process_files import process_file
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connections.hostile_ssh import Behaviour
    from tests.connections.sshd import Server

NEVER = threading.Event()
TIMEOUT = 1.0
SOON = TIMEOUT + COMMAND_START + OVERDUE_CALL + 2.0


@contextlib.contextmanager
def reached(server: hostile_ssh.HostileServer, **given: object) -> Iterator[SshConnection]:
    connection = SshConnection(server.host(**given), Secrets())
    try:
        yield connection
    finally:
        connection.close()


def outcome(
    connection: SshConnection, command: Command, cancel: threading.Event
) -> Output | UnreachableError:
    try:
        return connection.run(command, cancel)
    except UnreachableError as problem:
        return problem


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("silent from the start", "cannot connect"),
        ("silent at the login", "cannot connect"),
        ("silent when a channel is opened", "no answer within 6 s; the connection was closed"),
        ("silent when a command is sent", "no answer within 6 s; the connection was closed"),
        ("silent in place of a shell", "still running after 1 s"),
        ("floods standard error in place of sudo", "still running after 1 s"),
        ("floods both streams", "still running after 1 s"),
        ("floods in place of a shell", "still running after 1 s"),
        ("prints one byte a second", "still running after 1 s"),
        ("takes no input", "still running after 1 s"),
    ],
)
def test_no_host_outlives_the_time_of_a_command(behaviour: Behaviour, why: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter22-and-more", encoding="ascii")
    sudo = "sudo" in behaviour
    given = {"user": "ops", "sudo_password": f"${{file:{tmp_path / 'password'}}}"} if sudo else {}
    command = Command(("cat",), stdin="x" * 8_000_000, timeout=TIMEOUT, sudo=sudo)
    with (
        hostile_ssh.running(tmp_path / "server", behaviour) as server,
        reached(server, **given) as connection,
    ):
        before = time.monotonic()
        ended = outcome(connection, command, NEVER)
        assert time.monotonic() - before < deadline(SOON)
        if isinstance(ended, Output):
            assert ended.exit_code is None
            assert why in ended.problem
        else:
            assert why in ended.message
            assert ended.where is not None


@pytest.mark.parametrize(
    "behaviour", ["silent from the start", "silent at the login", "silent when a command is sent"]
)
def test_an_interrupt_ends_the_wait_for_a_silent_host(behaviour: Behaviour, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with hostile_ssh.running(tmp_path / "server", behaviour) as server:
        connection = SshConnection(server.host(connect_timeout=60.0), Secrets())
        before = time.monotonic()
        ended = outcome(connection, Command(("true",)), cancel)
        connection.close()
        assert time.monotonic() - before < deadline(COMMAND_AFTER_INTERRUPT + OVERDUE_CALL + 2.0)
        assert "no answer before the interrupt" in (
            ended.problem if isinstance(ended, Output) else ended.message
        )


@pytest.mark.parametrize("behaviour", ["silent when a command is sent", "floods in place of a shell"])
def test_a_silent_host_is_not_locked_for_ever(behaviour: Behaviour, tmp_path: Path) -> None:
    with hostile_ssh.running(tmp_path / "server", behaviour) as server, reached(server) as connection:
        before = time.monotonic()
        with contextlib.suppress(UnreachableError):
            output, process = connection.start_persistent(Command(("sh",), timeout=TIMEOUT), NEVER)
            assert process is None
            assert output.problem.startswith("cut: ")
        assert time.monotonic() - before < deadline(SOON)


def test_a_call_that_was_left_behind_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with (
        hostile_ssh.running(tmp_path / "server", "silent when a channel is opened") as server,
        reached(server) as connection,
    ):
        connection.run(Command(("true",), timeout=0.1), NEVER)
    wait_until(lambda: set(threading.enumerate()) <= before, "the end of all threads")


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_an_agent_that_never_answers_is_left_behind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set(threading.enumerate())
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        connection = SshConnection(server.host(identity_file=None, connect_timeout=1.0), Secrets())
        before = time.monotonic()
        ended = outcome(connection, Command(("true",), timeout=TIMEOUT), NEVER)
        assert time.monotonic() - before < deadline(SOON)
        assert isinstance(ended, UnreachableError)
        connection.close()
    wait_until(lambda: set(threading.enumerate()) <= threads, "the end of the call that was left behind")
    gc.collect()


def stop_processes(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)


def test_frozen_hosts_cost_their_own_step_and_the_run_ends_by_its_own_hand(
    server: Server, tmp_path: Path
) -> None:
    with hostile_ssh.running(tmp_path / "hostile", "silent when a command is sent") as mute:
        frozen = server.host().model_dump(exclude_defaults=True, exclude={"name"})
        hosts = {
            "fine": {"connection": "local"},
            "frozen": frozen,
            "mute": mute.fields(),
        }
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"hosts": hosts}), encoding="utf-8")
        book = Runbook.open(parameters(tmp_path, step_timeout=10.0, on_failure="continue"))
        wakes = f"618.{os.getpid():07}"
        pids: list[int] = []

        def freeze() -> None:
            wait_until(
                lambda: any(sleeps(pid, wakes) for pid in server.children()), "the command on the host"
            )
            pids.extend(server.children())  # sshd's own processes for its sessions, and the command
            stop_processes(pids)

        freezer = threading.Thread(target=freeze)
        freezer.start()
        before = time.monotonic()
        try:
            step = book.step("Work", lambda host: Does(("sleep", wakes if host.name == "frozen" else "0")))
            elapsed = time.monotonic() - before
            after = book.step("After", Does(("true",)))
            with pytest.raises(StepFailed):
                book.close()
        finally:
            freezer.join()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            server.cut()
    assert elapsed < deadline(10.0 + COMMAND_START + TERMINATION_COMMAND + COMMAND_START + 5.0)
    by_host = {host.host: host for host in step.hosts}
    assert by_host["fine"].status is Status.CHANGED
    assert by_host["mute"].status in (Status.FAILED, Status.UNREACHABLE)
    assert "no answer within" in by_host["mute"].message
    assert by_host["frozen"].status is Status.FAILED
    assert "the step_timeout of 10 s has passed" in by_host["frozen"].message
    assert "could not confirm termination on the host" in by_host["frozen"].message
    assert [host.status.value for host in after.hosts] == ["changed", "skipped", "skipped"]
    lines = read_lines((book.directory / "journal.jsonl").read_bytes())
    assert lines.problem == ""
    assert lines.entries[-1]["event"] == "run_ended"
    assert lines.entries[-1]["status"] == book.record.status == Status.UNREACHABLE
    parameters_of_run = json.loads((book.directory / "journal.jsonl").read_bytes().splitlines()[0])[
        "parameters"
    ]
    assert parameters_of_run["max_stream_bytes"] == 100_000_000


def sleeps(pid: int, seconds: str) -> bool:
    return seconds in process_file(pid, "cmdline")


@pytest.mark.parametrize(
    "behaviour", ["is cut off after the exit status", "is cut off after the end of output"]
)
def test_a_connection_that_is_lost_before_the_end_is_no_result(behaviour: Behaviour, tmp_path: Path) -> None:
    """Some of the output may be missing, or the command may have failed."""
    with hostile_ssh.running(tmp_path, behaviour) as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            output = connection.run(Command(("cat", "/etc/passwd"), timeout=deadline(30)), threading.Event())
        finally:
            connection.close()
    assert (output.exit_code, output.lost) == (None, True)
    assert "connection lost before the exit status arrived" in output.problem
