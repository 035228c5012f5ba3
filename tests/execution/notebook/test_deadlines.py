"""A step and a run take no longer than they may, and what they do not wait for is ended on the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import ParameterError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Plan
from runbook_lib.model.status import Status
from runbook_lib.yaml_files import validate
from tests.deadlines import deadline
from tests.execution.project import OPEN, finish, living
from tests.runbook.practice import Does, Holds, Practice, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.facts.base import Facts
    from runbook_lib.model.records import RunRecord
    from tests.connections.sshd import Server
    from tests.execution.project import Project

SECONDS = f"610.{os.getpid():07}"  # no other process on this machine sleeps as long
WAITS = Does(("sh", "-c", f"sleep {SECONDS}; true"), timeout=900.0)


@dataclass(frozen=True)
class Installs(Does):
    """As `Does`, with a command of which half is worse than all."""

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        return Plan((Command(self.argv, timeout=self.timeout, safe_to_interrupt=False),))


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Path:
    """A directory with an inventory of one host, reached over SSH."""
    host = server.host()
    (tmp_path / "inventory.yml").write_text(
        f"hosts:\n  host-a: {{address: 127.0.0.1, port: {host.port}, identity_file: {host.identity_file}, "
        f"known_hosts: {host.known_hosts}}}\n",
        encoding="utf-8",
    )
    return tmp_path


def opened(place: Path, **given: Any) -> Runbook:  # noqa: ANN401 - any parameter
    return Runbook.open(parameters(place, hosts="host-a", **given))


def journaled(book: Runbook) -> RunRecord:
    """Return the run according to its journal, which agrees with the run itself."""
    record = read_journal(book.directory)
    assert record.model_dump(exclude={"steps"}) == book.record.model_dump(exclude={"steps"})
    assert record.steps == book.record.steps
    return record


def test_a_step_that_takes_too_long_fails_and_its_command_is_ended_on_the_host(place: Path) -> None:
    seconds = deadline(3)
    book = opened(place, step_timeout=seconds)
    with pytest.raises(StepFailed, match="raise step_timeout"):
        book.step("Wait", WAITS)
    (host,) = book.record.steps[0].hosts
    assert host.status is Status.FAILED
    assert (
        f"did not finish: the step_timeout of {seconds:g} s has passed; terminated on the host with TERM: sh ("
        in host.message
    )
    command, *endings = host.commands
    assert command.exit_code is None
    assert [(ending.kind, ending.accepted) for ending in endings] == [
        ("termination", True),
        ("termination", True),
    ]
    assert living(f"sleep {SECONDS}") == []
    assert journaled(book).status is Status.FAILED


def test_a_run_that_takes_too_long_is_ended_with_its_journal_whole(place: Path) -> None:
    seconds = deadline(3)
    book = opened(place, run_timeout=seconds, on_failure="continue")
    assert book.step("Fine", Does(("true",))).status is Status.CHANGED
    with pytest.raises(StepFailed, match=f"the run_timeout of {seconds:g} s has passed"):
        book.step("Wait", WAITS)
    record = journaled(book)
    assert (record.status, record.incomplete) == (Status.FAILED, "")
    assert living(f"sleep {SECONDS}") == []


def test_a_commands_own_timeout_ends_it_on_the_host(place: Path) -> None:
    book = opened(place)
    seconds = deadline(2)
    with pytest.raises(
        StepFailed, match=f"still running after {seconds:g} s; terminated on the host with TERM"
    ):
        book.step("Wait", Does(("sleep", SECONDS), timeout=seconds))
    assert journaled(book).status is Status.FAILED
    assert living(f"sleep {SECONDS}") == []


def test_what_may_not_be_cut_off_is_waited_for_past_the_deadline(place: Path) -> None:
    seconds = deadline(3)
    book = opened(place, run_timeout=seconds)
    installed = place / "installed"
    book.step("Install", Installs(("sh", "-c", f"sleep {seconds}; echo done > {installed}")))
    assert installed.read_text(encoding="utf-8") == "done\n"
    with pytest.raises(
        StepFailed, match=f"stopped before the next command: the run_timeout of {seconds:g} s"
    ):
        book.step("Next", Does(("touch", str(place / "never"))))
    assert not (place / "never").exists()
    record = journaled(book)
    assert [[c.exit_code for c in step.hosts[0].commands] for step in record.steps] == [[0], []]
    assert record.status is Status.FAILED


def test_what_was_there_before_is_put_back_after_the_deadline(place: Path) -> None:
    book = opened(place, step_timeout=deadline(1.5))
    (place / "file").write_text("before\n", encoding="utf-8")
    with pytest.raises(StepFailed, match="the change was rolled back"):
        book.step("Write", Holds(str(place / "file"), "after\n", then=("sleep", SECONDS)))
    assert (place / "file").read_text(encoding="utf-8") == "before\n"
    assert living(f"sleep {SECONDS}") == []


def test_the_runs_time_is_over_also_between_two_steps(project: Project) -> None:
    seconds = deadline(3)
    notebook = project.notebook(
        OPEN,
        'book.step("Fine", Does(("true",)))',
        "import time\ntime.sleep(600)",
        "book.close()",
        run_timeout=seconds,
    )
    done = finish(project.runbook_run(notebook))
    assert done.code == 1, done.output
    assert project.record.status is Status.FAILED
    assert project.record.message == f"between two steps: the run_timeout of {seconds:g} s has passed"


@pytest.mark.parametrize("given", [0, -1, "soon"])
@pytest.mark.parametrize("name", ["step_timeout", "run_timeout"])
def test_a_time_that_is_none_is_refused(name: str, given: object) -> None:
    asked = {"inventory": "inventory.yml", "hosts": "all", name: given}
    with pytest.raises(ParameterError, match=name):
        validate(Practice, asked, ParameterError, "here")
