"""Hosts in batches: what a failed batch leaves alone, and how a loop over batches is paused, confirmed and resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.books.docker.parameters import KernelUpgrade
from runbook_lib.errors import ParameterError, RunbookError, StepFailed
from runbook_lib.model.batches import divide
from runbook_lib.model.status import Status
from runbook_lib.report.data_frames import tables
from runbook_lib.report.html import RunView, page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from runbook_lib.report.summary import outcome_of_run
from tests.deadlines import deadline
from tests.runbook.practice import Does, Holds
from tests.runbook.rollouts import (
    HOSTS,
    assert_recorded,
    events_of,
    outcomes,
    rolling,
    write_files,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("number", "first", "then", "sizes"),
    [
        (1, 1, "25%", [1]),
        (4, 1, "25%", [1, 1, 1, 1]),
        (10, 1, "25%", [1, 2, 2, 2, 2, 1]),
        (10, "50%", "50%", [5, 5]),
        (3, "1%", "100%", [1, 2]),
        (3, 7, 7, [3]),
        (5, 2, 3, [2, 3]),
    ],
)
def test_hosts_are_divided_in_their_order(number: int, first: Any, then: Any, sizes: list[int]) -> None:  # noqa: ANN401
    hosts = [f"h{one}" for one in range(number)]
    batches = divide(hosts, first, then)
    assert [len(batch) for batch in batches] == sizes
    assert [name for batch in batches for name in batch] == hosts
    assert [(batch.number, batch.of) for batch in batches] == [
        (one, len(sizes)) for one in range(1, len(sizes) + 1)
    ]
    assert str(batches[0]) == ",".join(hosts[: sizes[0]])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"first": 0}, "first=0 is not a size of a batch"),
        ({"first": -1}, "first=-1 is not a size"),
        ({"first": True}, "first=True is not a size"),
        ({"first": 1.5}, "first=1.5 is not a size"),
        ({"then": "0%"}, "then='0%' is not a size"),
        ({"then": "101%"}, "then='101%' is not a size"),
        ({"then": "a few%"}, "then='a few%' is not a size"),
        ({"then": "25"}, "then='25' is not a size"),
        ({"then": None}, "then=None is not a size"),
        ({"max_failed": -1}, "max_failed=-1 is not a number of hosts"),
        ({"max_failed": "1"}, "max_failed='1' is not a number of hosts"),
        ({"max_failed": 2}, "max_failed=2 is larger than a batch of 1"),
        ({"pause": -1}, "pause=-1 is not a number of seconds"),
        ({"pause": "1"}, "pause='1' is not a number of seconds"),
        ({"pause": float("inf")}, "pause=inf is not a number of seconds"),
        ({"hosts": "db"}, "unknown host or group 'db'"),
    ],
)
def test_a_wrong_argument_is_one_message_before_a_host_is_touched(
    wrong: dict[str, Any], why: str, tmp_path: Path
) -> None:
    book = Runbook.open(rolling(tmp_path))
    with pytest.raises(RunbookError, match=why) as refused:
        write_files(book, tmp_path, **wrong)
    assert refused.value.exit_code == 2
    assert outcomes(book) == []
    assert not [entry for entry in events_of(book) if entry["event"] == "connected"]


@pytest.mark.parametrize("size", [0, "0%", "all", True, None])
def test_a_parameter_that_is_no_size_of_a_batch_is_refused_before_the_run(size: object) -> None:
    with pytest.raises(ValueError, match="batch"):
        KernelUpgrade.model_validate({"inventory": "i", "hosts": "all", "package": "linux", "batch": size})


def test_no_hosts_cannot_be_divided() -> None:
    with pytest.raises(ParameterError, match="no hosts to divide"):
        divide([], 1, 1)


def test_each_batch_is_finished_before_the_next_one_begins(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    write_files(book, tmp_path, first=1, then=2)
    assert book.close().status is Status.CHANGED
    batches = [("web-1",), ("web-2", "web-3"), ("web-4",)]
    assert outcomes(book) == [
        (title, dict.fromkeys(batch, "changed")) for batch in batches for title in ("Write", "Prove")
    ]
    begun = [entry for entry in events_of(book) if entry["event"] == "batch_started"]
    assert [(entry["batch"], entry["of"], tuple(entry["hosts"])) for entry in begun] == [
        (number, 3, batch) for number, batch in enumerate(batches, start=1)
    ]
    assert_recorded(book)


def test_a_failed_batch_leaves_the_others_untouched_and_every_report_lists_them(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    with pytest.raises(StepFailed, match="step 4 'Prove' is failed on web-2"):
        write_files(book, tmp_path, bad="web-2")
    assert outcomes(book)[-2:] == [
        ("Prove", {"web-2": "failed"}),
        ("Hosts not attempted", {"web-3": "skipped", "web-4": "skipped"}),
    ]
    assert sorted(path.name for path in tmp_path.glob("web-*")) == ["web-1", "web-2"]
    untouched = book.record.steps[-1]
    assert untouched.kind == "untouched"
    assert {host.message for host in untouched.hosts} == {"not attempted: step 4 'Prove' is failed on web-2"}
    assert book.record.status is Status.FAILED
    assert outcome_of_run(book.record).headline == "Failed"
    assert_recorded(book)
    xml = junit([book.record]).decode()
    assert xml.count("<skipped") == 2
    for text in (xml, page([book.record], "Report"), markdown([book.record], "Report")):
        assert "Hosts not attempted" in text
    steps = tables([book.record]).steps
    assert list(steps[steps.status == "skipped"].host) == ["web-3", "web-4"]
    bars = RunView("r", book.record, outcome_of_run(book.record)).bars
    assert {(bar.step.title, bar.host.host) for bar in bars} >= {("Hosts not attempted", "web-4")}


def test_a_batch_may_lose_as_many_hosts_as_allowed_and_the_run_still_fails(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    write_files(book, tmp_path, bad="web-2", first=2, then=2, max_failed=1)
    with pytest.raises(StepFailed, match="step 2 'Prove' on web-2"):
        book.close()
    assert outcomes(book)[-1] == ("Prove", {"web-3": "changed", "web-4": "changed"})
    assert_recorded(book)


def test_more_failures_than_allowed_end_the_run_also_with_continue(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path, on_failure="continue"))
    with pytest.raises(StepFailed, match="no batch after batch 1 of 2"):
        write_files(book, tmp_path, bad="web-2", first=2, then=2)
    assert outcomes(book) == [
        ("Write", {"web-1": "changed", "web-2": "changed"}),
        ("Prove", {"web-1": "changed", "web-2": "failed"}),
        ("Hosts not attempted", {"web-3": "skipped", "web-4": "skipped"}),
    ]
    assert book.record.message == "batch 1 of 2 (web-1, web-2): web-2 failed, and max_failed is 0"
    assert_recorded(book)


def test_a_failed_loop_that_a_notebook_catches_does_not_go_on(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    loop = iter(book.batches())
    batch = next(loop)
    with pytest.raises(StepFailed):
        book.step("Break", Does(("false",)), hosts=batch)
    with pytest.raises(StepFailed, match="the run has ended as failed: no batch after batch 1 of 4"):
        next(loop)


def test_a_loop_over_a_closed_run_begins_no_batch(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    book.step("Nothing", Does(("true",)))
    loop = iter(book.batches())
    book.close()
    with pytest.raises(StepFailed, match="the run has ended as changed"):
        next(loop)


def test_a_loop_after_the_end_of_a_run_starts_another_run(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    book.step("Nothing", Does(("true",)))
    first = book.close().run
    write_files(book, tmp_path, first="100%")
    assert book.close().run != first
    assert book.record.status is Status.CHANGED


def test_a_loop_that_the_notebook_leaves_is_recorded_with_the_hosts_it_did_not_reach(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    for batch in book.batches():
        book.step("Write", lambda host: Holds(str(tmp_path / host.name), "new\n"), hosts=batch)
        break
    book.step("Read", Does(("true",)), hosts="web-4")
    assert book.close().status is Status.CHANGED
    assert outcomes(book)[-1] == ("Hosts not attempted", {"web-2": "skipped", "web-3": "skipped"})
    assert "left the loop" in book.record.steps[-1].hosts[0].message


def test_mode_plan_plans_every_batch_without_a_pause_or_a_question(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path, mode="plan"))
    started = time.monotonic()
    write_files(book, tmp_path, pause=3600, confirm=True)
    assert time.monotonic() - started < deadline(60)
    assert book.close().status is Status.PLANNED
    assert [host for title, hosts in outcomes(book) if title == "Write" for host in hosts] == list(HOSTS)
    assert not list(tmp_path.glob("web-*"))


def test_mode_validate_reads_on_after_a_failed_batch(tmp_path: Path) -> None:
    (tmp_path / "web-2").write_text("new\n", encoding="utf-8")
    book = Runbook.open(rolling(tmp_path, mode="validate", on_failure="continue"))
    for batch in book.batches():
        book.step("Write", lambda host: Holds(str(tmp_path / host.name), "new\n"), hosts=batch)
    assert [hosts for _, hosts in outcomes(book)] == [
        {"web-1": "failed"}, {"web-2": "ok"}, {"web-3": "failed"}, {"web-4": "failed"},
    ]  # fmt: skip
    with pytest.raises(StepFailed):
        book.close()


@pytest.mark.parametrize("bad", ["web-1", "web-4"])
def test_a_resumed_loop_repeats_nothing_that_was_done_and_does_the_rest(bad: str, tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    with pytest.raises(StepFailed):
        write_files(book, tmp_path, bad=bad, first=1, then=3)
    before = book.record.run
    again = Runbook.open(rolling(tmp_path, resume=str(book.directory)))
    write_files(again, tmp_path, first=1, then=3)
    again.close()
    record = again.record
    assert (record.status, record.resumes) == (Status.CHANGED, before)
    proven = {
        (step.title, host.host) for step in record.steps for host in step.hosts if host.proven == before
    }
    done = {
        (step.title, host.host)
        for step in book.record.steps
        for host in step.hosts
        if host.status is Status.CHANGED
    }
    assert proven == done
    skipped = {host.host for step in record.steps for host in step.hosts if host.status is Status.SKIPPED}
    assert skipped == {host for title, host in done if title == "Prove"}
    assert_recorded(again)


def test_serial_works_on_some_hosts_at_a_time_and_stops_at_the_first_that_fails(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path, on_failure="continue"))
    bad = {"web-2": Does(("false",))}
    step = book.step("Once", lambda host: bad.get(host.name, Does(("true",))), serial=1)
    one, two, three, four = step.hosts
    assert [host.status.value for host in step.hosts] == ["changed", "failed", "skipped", "skipped"]
    assert one.ended
    assert two.started
    assert one.ended <= two.started
    assert three.message == four.message == "not attempted: this step is failed on web-2"
    later = book.step("Later", Does(("true",)))
    assert [host.status.value for host in later.hosts] == ["changed", "skipped", "skipped", "skipped"]
    assert "step 1 'Once' was not attempted" in later.hosts[-1].message
    with pytest.raises(StepFailed):
        book.close()
    assert_recorded(book)


def test_serial_takes_a_percentage_and_refuses_what_is_no_size(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    with pytest.raises(ParameterError, match="serial='0%' is not a size"):
        book.step("Never", Does(("true",)), serial="0%")
    hosts = book.step("Once", Does(("sleep", "0.2")), serial="50%").hosts
    book.close()
    ends = [host.ended for host in hosts[:2] if host.ended]
    assert max(ends) <= min(host.started for host in hosts[2:] if host.started)
