"""A rotation in batches that was killed in the middle of a batch: what resuming it does, and what it can roll back."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from runbook_lib.report.junit import junit
from tests.runbook.practice import Does, Holds
from tests.runbook.rollouts import HOSTS, rolling
from tests.runbook.transactions import ROLLBACK, fails_on, file_of

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, RunRecord


def rotate(place: Path, *bad: str, killed_at: str = "", **given: Any) -> Runbook:  # noqa: ANN401 - any parameter
    """Rotate two files on each host, one host after another, and prove it."""
    book = Runbook.open(rolling(place, **given))
    book.step("Before", file_of(place, "before"))
    for batch in book.batches(first=1, then=1):
        with book.transaction("rotate", hosts=batch):
            book.step("One", file_of(place, "one"))
            if killed_at in batch:
                os.kill(os.getpid(), signal.SIGKILL)
            book.step("Two", lambda host: Holds(str(place / f"{host.name}.two"), "new\n", undo=("true",)))
            book.step("Prove", fails_on(*bad))
    book.close()
    return book


@pytest.fixture
def killed(tmp_path: Path) -> RunRecord:
    """Return the record of a run that was killed on the second of four hosts, after the first step of a transaction."""
    child = os.fork()
    if child == 0:
        try:
            rotate(tmp_path, killed_at="web-2")
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    (run,) = (tmp_path / "runs").iterdir()
    record = read_journal(run)
    assert record.status is Status.UNKNOWN
    return record


def on(record: RunRecord, host: str) -> list[tuple[str, str]]:
    return [
        (step.title, entry.status.value)
        for step in record.steps
        for entry in step.hosts
        if entry.host == host
    ]


def rollback(record: RunRecord) -> HostRecord:
    (entry,) = next(step for step in record.steps if step.title == ROLLBACK).hosts
    return entry


def resume(place: Path, run: str, *bad: str) -> RunRecord:
    """Resume a run; return the record of the run that does so."""
    before = set((place / "runs").iterdir())
    if bad:
        with pytest.raises(StepFailed):
            rotate(place, *bad, resume=str(place / "runs" / run))
    else:
        rotate(place, resume=str(place / "runs" / run))
    (made,) = set((place / "runs").iterdir()) - before
    record = read_journal(made)
    assert (record.resumes, record.incomplete) == (run, "")
    return record


def test_it_is_resumed_in_the_middle_of_the_batch_and_nothing_is_done_twice(
    killed: RunRecord, tmp_path: Path
) -> None:
    record = resume(tmp_path, killed.run)
    assert record.status is Status.CHANGED
    steps = ("Before", "One", "Two", "Prove")
    done = {"web-1": 4, "web-2": 2, "web-3": 1, "web-4": 1}
    for host, number in done.items():
        expected = [
            "ok" if place < number or title == "Prove" else "changed" for place, title in enumerate(steps)
        ]
        assert on(record, host) == [*zip(steps, expected, strict=True)]
    assert len(list(tmp_path.glob("web-*"))) == 3 * len(HOSTS)


def test_a_change_of_the_killed_run_that_cannot_be_rolled_back_is_named(
    killed: RunRecord, tmp_path: Path
) -> None:
    record = resume(tmp_path, killed.run, "web-2")
    undone = rollback(record)
    assert (undone.host, undone.status, undone.undoes) == ("web-2", Status.FAILED, [6])
    assert "rolled back: step 6 'Two'" in undone.message
    before = f"done in {killed.run}: this run has not read what was there before"
    assert undone.message.endswith(f"not rolled back: step 5 'One' ({before})")
    assert before in junit([record]).decode()
    assert (tmp_path / "web-2.one").exists()
    assert not (tmp_path / "web-2.two").exists()
    assert on(record, "web-3") == [("Before", "ok"), ("Hosts not attempted", "skipped")]
    assert resume(tmp_path, record.run).status is Status.CHANGED


def test_a_batch_that_was_complete_keeps_its_changes_and_the_record_says_so(
    killed: RunRecord, tmp_path: Path
) -> None:
    record = resume(tmp_path, killed.run, "web-1")
    undone = rollback(record)
    assert (undone.host, undone.undoes) == ("web-1", [])
    for title in ("One", "Two"):
        assert f"{title!r} (done in {killed.run}" in undone.message
    assert {path.name for path in tmp_path.glob("web-1.*")} == {"web-1.before", "web-1.one", "web-1.two"}


def test_a_step_that_is_not_repeated_is_named_too(tmp_path: Path) -> None:
    def once(*bad: str, **given: Any) -> Runbook:  # noqa: ANN401 - any parameter
        book = Runbook.open(rolling(tmp_path, hosts="web-1", **given))
        with book.transaction("rotate", strict=False):
            book.step("Once", Does(("true",)))
            book.step("Prove", fails_on(*bad))
        book.close()
        return book

    with pytest.raises(StepFailed):
        once("web-1")
    (first,) = (tmp_path / "runs").iterdir()
    with pytest.raises(StepFailed):
        once("web-1", resume=str(first))
    record = next(
        record
        for path in (tmp_path / "runs").iterdir()
        if (record := read_journal(path)).resumes == first.name
    )
    assert on(record, "web-1") == [("Once", "skipped"), ("Prove", "failed"), (ROLLBACK, "failed")]
    assert f"not rolled back: step 1 'Once' (done in {first.name}" in rollback(record).message
