"""An interrupted run ends soon with a valid journal; a killed run claims nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.execution.project import living

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord
    from tests.programs import Programs

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Child:
    """A process that carries a runbook out; its second step sleeps on host-a."""

    process: subprocess.Popen[str]
    place: Path
    waits: str

    @property
    def journal(self) -> Path:
        (found,) = (self.place / "runs").glob("*/journal.jsonl")
        return found

    def entries(self, event: str) -> list[dict[str, Any]]:
        found = list((self.place / "runs").glob("*/journal.jsonl"))
        whole = found[0].read_bytes().rpartition(b"\n")[0] if found else b""
        return [entry for entry in map(json.loads, whole.splitlines()) if entry["event"] == event]

    def wait_for(self, text: str) -> None:
        """Wait until a command has been sent, and the other host is done with the same step."""

        def waits() -> bool:
            started = [entry for entry in self.entries("command_started") if entry["text"] == text]
            ended = {(entry["step"], entry["host"]) for entry in self.entries("command_ended")}
            return bool(started) and (started[0]["step"], "host-b") in ended

        wait_until(lambda: waits() or self.process.poll() is not None, f"the command {text!r}")
        assert self.process.poll() is None, self.process.communicate()

    def record(self) -> RunRecord:
        return read_journal(self.journal)


@pytest.fixture(params=[180])
def child(request: pytest.FixtureRequest, tmp_path: Path, programs: Programs) -> Child:
    seconds = f"{request.param}.{os.getpid():07}"  # no other process on this machine sleeps as long
    command = [sys.executable, "-m", "tests.runbook.practice", str(tmp_path), seconds]
    process = programs.start(command, cwd=TOP, stderr=subprocess.PIPE)
    return Child(process, tmp_path, f"sleep {seconds}")


def test_an_interrupted_run_ends_soon_as_interrupted_with_a_valid_journal(child: Child) -> None:
    child.wait_for(child.waits)
    before = time.monotonic()
    child.process.send_signal(signal.SIGINT)
    _, errors = child.process.communicate(timeout=deadline(30))
    # Far from the end of the command. On a busy machine the search for its session alone may take many seconds.
    assert time.monotonic() - before < min(deadline(30), 170)
    assert child.process.returncode != 0
    assert "the run was interrupted in step 2 'Wait'" in errors
    record = child.record()
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, "")
    assert [step.title for step in record.steps] == ["First", "Wait"]
    assert [host.status for host in record.steps[1].hosts] == [Status.INTERRUPTED, Status.CHANGED]
    command, ending = record.steps[1].hosts[0].commands
    assert command.exit_code is None
    assert command.problem.startswith(
        "interrupted before the exit status arrived; terminated on the host with TERM: sleep"
    )
    assert (ending.kind, ending.exit_code) == ("termination", 0)
    assert living(child.waits) == []
    assert f"`{child.waits}` was running" in record.steps[1].hosts[0].message
    assert list(child.place.glob("*.never")) == []


@pytest.mark.parametrize("child", [3], indirect=True)
def test_a_running_command_may_finish_after_an_interrupt_and_nothing_more_is_sent(child: Child) -> None:
    child.wait_for(child.waits)
    child.process.send_signal(signal.SIGINT)
    child.process.communicate(timeout=deadline(15))
    record = child.record()
    assert record.status is Status.INTERRUPTED
    (command,) = record.steps[1].hosts[0].commands
    assert command.exit_code == 0
    assert list(child.place.glob("*.never")) == []


def test_repeated_ctrl_c_leaves_a_valid_journal(child: Child) -> None:
    child.wait_for(child.waits)
    for _ in range(5):
        child.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    child.process.communicate(timeout=deadline(15))
    record = child.record()
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, "")


def test_a_killed_run_is_unknown_and_its_journal_valid_up_to_there(child: Child) -> None:
    child.wait_for(child.waits)
    sleeping = living(child.waits)
    child.process.kill()
    child.process.communicate(timeout=deadline(15))
    for pid in sleeping:
        os.kill(pid, signal.SIGKILL)
    record = child.record()
    assert record.status is Status.UNKNOWN
    assert record.incomplete == "the journal has no end-of-run line"
    assert read_lines(child.journal.read_bytes()).problem == ""
    assert record.steps[0].status is Status.CHANGED
    waiting = record.steps[1].hosts[0]
    assert (waiting.status, waiting.commands[0].exit_code) == (Status.UNKNOWN, None)
    assert waiting.message == "no end of this step was recorded"
