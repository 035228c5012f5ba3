"""A host can neither fill the memory nor the disk of this machine: a command that prints too much is ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.connections.local import LocalConnection
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.host_settings import Host
from runbook_lib.model.commands import Command
from runbook_lib.model.status import Status
from runbook_lib.secrets import Secrets
from tests.connections import hostile_ssh
from tests.runbook.practice import Does, Holds, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.connections.base import Connection

NEVER = threading.Event()
MANY = 10**12


@pytest.fixture(scope="module", params=["local", "ssh"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    made = (
        LocalConnection(Host(name="here", connection="local"), Secrets())
        if request.param == "local"
        else SshConnection(request.getfixturevalue("session_server").host(), Secrets())
    )
    yield made
    made.close()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_exceeds_its_bound_is_cut_and_the_command_is_ended(
    connection: Connection, stream: str
) -> None:
    command = Command(("sh", "-c", "yes" if stream == "stdout" else "yes >&2"))
    output = connection.run(command, NEVER, None, OutputBudget(200_000, MANY).limit())
    assert output.problem == f"cut: {stream} exceeds 200000 bytes (max_stream_bytes)"
    assert (output.exit_code, output.still_running) == (None, True)
    assert len(output.stdout + output.stderr) <= 200_000
    ended = connection.stop(command, lambda one: connection.run(one, NEVER))
    # Here it may have been ended by SIGPIPE before.
    assert ended.startswith("terminated on the host with ") or ended == "the command had already exited"


def test_the_last_line_is_complete_or_not_shown() -> None:
    """Of a line whose beginning was dropped, the rest may be the end of a secret, which no mask finds."""
    limit = OutputBudget(MANY, MANY).limit()
    assert limit.last_line == ""
    limit.accept("stdout", b"first\nsecond\n\nthi")
    assert limit.last_line == "second"
    limit.accept("stdout", b"x" * 5000)
    assert limit.last_line == ""
    limit.accept("stdout", b"the end\n")
    assert limit.last_line == ""
    limit.accept("stdout", b"the next\n")
    assert limit.last_line == "the next"


@pytest.mark.parametrize("size", [2046, 2047, 2048, 2049])
def test_a_line_as_long_as_what_is_kept_is_complete_or_not_shown(size: int) -> None:
    limit = OutputBudget(MANY, MANY).limit()
    line = "a" + "b" * (size - 1)
    limit.accept("stdout", line.encode() + b"\n")
    assert limit.last_line in {"", line}


def test_the_beginning_of_a_secret_at_the_end_of_a_cut_output_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "correct-horse-battery-staple-0123456789"
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", value)
    book = Runbook.open(parameters(tmp_path, hosts="host-a", max_stream_bytes=2000))
    book.secret("${env:RUNBOOK_TEST_SECRET}")
    (tmp_path / "long").write_text("x" * 1980 + value + "y" * 5000, encoding="utf-8")
    with pytest.raises(StepFailed, match="exceeds 2000 bytes"):
        book.step("Print it", Does(("cat", str(tmp_path / "long"))))
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert b"[secret]" in everything
    assert b"correct-" not in everything


def test_a_stream_within_its_bound_is_complete(connection: Connection) -> None:
    command = Command(("sh", "-c", "yes | head -c 200000"))
    output = connection.run(command, NEVER, None, OutputBudget(201_000, MANY).limit())
    assert (output.exit_code, output.problem, len(output.stdout)) == (0, "", 200_000)


def test_the_bound_of_the_run_is_for_all_its_commands_and_hosts(connection: Connection) -> None:
    budget = OutputBudget(MANY, 300_000)
    command = Command(("sh", "-c", "yes | head -c 200000"))
    assert connection.run(command, NEVER, None, budget.limit()).exit_code == 0
    output = connection.run(command, NEVER, None, budget.limit())
    assert output.problem.startswith("cut: the output of the run exceeds 300000 bytes (max_run_bytes)")
    if output.still_running:
        connection.stop(command, lambda one: connection.run(one, NEVER))
    last = connection.run(command, NEVER, None, budget.limit(may_exceed_run=True))
    assert (last.exit_code, len(last.stdout)) == (0, 200_000)


@pytest.mark.parametrize(
    "behaviour",
    ["floods both streams", "floods in place of a shell", "floods standard error in place of sudo"],
)
def test_what_precedes_the_output_counts_too(behaviour: hostile_ssh.Behaviour, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter22-and-more", encoding="ascii")
    with hostile_ssh.running(tmp_path / "server", behaviour) as server:
        host = server.host(user="ops", sudo_password=f"${{file:{tmp_path / 'password'}}}")
        connection = SshConnection(host, Secrets())
        output = connection.run(Command(("true",), sudo=True), NEVER, None, OutputBudget(10**6, MANY).limit())
        assert output.problem.startswith("cut: std")
        connection.close()


def test_the_record_says_cut_and_what_was_kept_is_bounded(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a", max_stream_bytes=300_000))
    with pytest.raises(StepFailed, match=r"cut: stdout exceeds 300000 bytes \(max_stream_bytes\); "):
        book.step("Flood", Does(("yes", "0123456789abcde")))
    record = read_journal(book.directory)
    assert record == book.record
    assert record.parameters["max_stream_bytes"] == 300_000
    command = record.steps[0].hosts[0].commands[0]
    assert command.problem.startswith("cut: ")
    assert command.stdout.size == 300_000
    assert sum(file.stat().st_size for file in (book.directory / "output").iterdir()) == 300_000


def test_a_change_is_rolled_back_also_after_the_bytes_of_the_run_are_used_up(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a", max_run_bytes=20_000))
    with pytest.raises(StepFailed, match="cut: the output of the run exceeds 20000 bytes"):
        book.step("Break", Holds(str(tmp_path / "a"), "after\n", then=("yes",)))
    (host,) = book.record.steps[0].hosts
    assert "; the change was rolled back" in host.message
    assert host.status is Status.FAILED
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before\n"
