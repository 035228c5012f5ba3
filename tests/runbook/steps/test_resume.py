"""A run that was killed anywhere is resumed, and both runs together account for everything."""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml

from runbook_lib.errors import InputError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.inventory import Inventory
from runbook_lib.model.status import Status
from runbook_lib.report.html import page
from runbook_lib.report.markdown import markdown
from runbook_lib.runbook.steps.resume import load_earlier
from tests.deadlines import deadline, wait_until
from tests.execution.fleet.killable_run import in_a_child, parameters
from tests.runbook.lock_holders import holding, wait_until_free

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord
    from tests.connections.sshd import Server
    from tests.programs import Programs

AT_ONCE = 12


def write_inventory(place: Path, server: Server) -> None:
    host = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    (place / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-a": host}}), encoding="utf-8")


def runs(place: Path) -> list[Path]:
    return sorted((place / "runs").iterdir(), key=lambda path: read_journal(path).started)


def assert_desired_state(place: Path) -> None:
    assert [(place / name).read_text() for name in ("one", "two")] == ["first", "second"]
    assert not (place / "two.unconfirmed").exists()


def lock_file() -> Path:
    return Path(os.environ["RUNBOOK_LOCK_FILE"])


def lines_of(place: Path, text: str) -> list[str]:
    path = place / text
    return path.read_text().splitlines() if path.exists() else []


def whole_run(place: Path, server: Server) -> list[dict[str, str]]:
    """Carry it out once without harm and return its journal's lines."""
    write_inventory(place, server)
    assert in_a_child(place) == 0, (place / "problem").read_text()
    (run,) = runs(place)
    return read_lines((run / "journal.jsonl").read_bytes()).entries


def proven(record: RunRecord) -> set[str]:
    return {step.title for step in record.steps if step.status in {Status.OK, Status.CHANGED}}


def kill_and_resume(place: Path, server: Server, lines: int, delay: float) -> None:
    write_inventory(place, server)
    assert in_a_child(place, lines, delay) == -9
    (killed,) = runs(place)
    before = read_journal(killed)
    assert before.status is Status.UNKNOWN
    assert before.incomplete == "the journal has no end-of-run line"
    once = len(lines_of(place, "once"))
    assert in_a_child(place, resume=str(killed)) == 0, (place / "problem").read_text()
    after = read_journal(runs(place)[-1])
    assert (after.resumes, after.incomplete) == (before.run, "")
    assert after.status in {Status.OK, Status.CHANGED}
    assert_desired_state(place)
    for step in after.steps:
        (host,) = step.hosts
        if step.title in proven(before):
            assert host.proven == before.run
            assert host.status in {Status.OK, Status.SKIPPED}
    # What cannot be verified is not done again where it is proven done, and the record says so where it is.
    done = {step.title: step.hosts[0] for step in after.steps}["Do once"]
    if "Do once" in proven(before):
        assert done.status is Status.SKIPPED
        assert len(lines_of(place, "once")) == once == 1
    elif any(step.title == "Do once" and step.hosts[0].commands for step in before.steps):
        assert f"run again: {before.run} started it" in done.message
    # Nobody has to guess that there were two runs.
    assert f"resumes {before.run}" in page([after], "After")
    assert f"resumes {before.run}".replace("_", r"\_") in markdown([before, after], "Both")


@pytest.fixture(scope="module")
def journal(session_server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return whole_run(tmp_path_factory.mktemp("whole"), session_server)


def each_in_a_child(place: Path, server: Server, points: list[int], delay: float) -> None:
    """Try each kill point in a process of its own, some at a time: mostly they wait for the host."""
    left = list(points)
    running: dict[int, int] = {}  # each child and its kill point: no other child is waited for
    failed = []
    while left or running:
        while left and len(running) < AT_ONCE:
            lines = left.pop(0)
            child = os.fork()
            if child == 0:
                try_in_this_process(place / str(lines), server, lines, delay)
            running[child] = lines
        for child in list(running):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            lines = running.pop(child)
            if status:
                failed.append(f"{lines}: {(place / str(lines) / 'failure').read_text()}")
        time.sleep(0.01)
    assert failed == []


def try_in_this_process(place: Path, server: Server, lines: int, delay: float) -> NoReturn:
    code = 1
    place.mkdir()
    os.environ["RUNBOOK_LOCK_FILE"] = str(place / "lock")
    try:
        kill_and_resume(place, server, lines, delay)
        code = 0
    finally:
        (place / "failure").write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(code)


def test_a_run_killed_at_any_line_of_its_journal_is_resumed(
    journal: list[dict[str, str]], server: Server, tmp_path: Path
) -> None:
    """One test for all lines: how many there are is only known once the run was made."""
    each_in_a_child(tmp_path, server, list(range(1, len(journal))), 0.0)


def test_a_run_killed_in_the_middle_of_any_changing_command_is_resumed(
    journal: list[dict[str, str]], server: Server, tmp_path: Path
) -> None:
    busy = [
        number
        for number, entry in enumerate(journal, start=1)
        if entry["event"] == "command_started" and "sleep" in entry["text"]
    ]
    assert len(busy) >= 5
    each_in_a_child(tmp_path, server, busy, 0.03)


@pytest.fixture
def killed(server: Server, tmp_path: Path) -> Path:
    """A run that was killed in its second step."""
    write_inventory(tmp_path, server)
    assert in_a_child(tmp_path, 15) == -9
    (path,) = runs(tmp_path)
    return path


def refused(killed: Path, **given: Any) -> str:  # noqa: ANN401 - any parameter
    asked = parameters(killed.parents[1], resume=str(killed), **given)
    with pytest.raises(InputError) as caught:
        load_earlier(killed, asked, Inventory.load(asked.inventory).select(asked.hosts))
    return str(caught.value)


def test_a_run_that_is_still_running_is_refused(killed: Path) -> None:
    with (killed / "journal.jsonl").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as the run's own process does
        assert "the run is still running" in refused(killed)


def test_a_run_that_succeeded_is_refused(server: Server, tmp_path: Path) -> None:
    write_inventory(tmp_path, server)
    assert in_a_child(tmp_path) == 0
    assert "the run has ended with status changed" in refused(runs(tmp_path)[0])


def test_changed_parameters_are_refused_except_those_of_how_the_run_proceeds(killed: Path) -> None:
    assert "word is 'other' now and was 'well'" in refused(killed, word="other")
    assert in_a_child(killed.parents[1], resume=str(killed), lock_timeout=deadline(1.0), at_once=3) == 0


def test_other_hosts_and_moved_hosts_are_refused(killed: Path, server: Server) -> None:
    place = killed.parents[1]
    settings = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    inventory = {"hosts": {"host-a": {**settings, "address": "127.0.0.2"}}}
    (place / "inventory.yml").write_text(yaml.safe_dump(inventory))
    assert "host-a is 127.0.0.2 now and was 127.0.0.1" in refused(killed)
    (place / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-b": settings}}))
    assert "host-b now, host-a then" in refused(killed)


def test_a_journal_that_was_altered_is_refused(killed: Path) -> None:
    path = killed / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Look before", b"Look behind"))
    assert "cannot be resumed: the journal is damaged: line 2 was altered" in refused(killed)


def test_the_lock_of_the_run_that_is_resumed_is_ended_at_once(killed: Path) -> None:
    """Its process is dead, and the host has not noticed that yet."""
    wait_until_free(lock_file())
    with holding(lock_file(), killed.name, platform.node()) as holder:
        assert in_a_child(killed.parents[1], resume=str(killed)) == 0
        assert holder.wait(deadline(10)) == -signal.SIGTERM
    entries = read_lines((runs(killed.parents[1])[-1] / "journal.jsonl").read_bytes()).entries
    answer = next(entry for entry in entries if entry["event"] == "lock_answered")
    assert (answer["outcome"], answer["forced"]) == ("taken over", False)


@pytest.mark.parametrize("other", ["run", "machine"])
def test_the_lock_of_any_other_run_is_respected_by_a_resumed_one(killed: Path, other: str) -> None:
    """A run of that id on another machine may be running there: its process cannot be seen from here."""
    wait_until_free(lock_file())
    owner = {"run": killed.name, "machine": platform.node(), other: "another"}
    with holding(lock_file(), **owner) as holder:
        assert in_a_child(killed.parents[1], resume=str(killed)) == 1
        assert holder.poll() is None
    assert "another run is changing this host" in (killed.parents[1] / "problem").read_text()


def test_a_line_that_the_kill_cut_off_does_not_matter(killed: Path) -> None:
    path = killed / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"n":16,"ti')
    assert in_a_child(killed.parents[1], resume=str(killed)) == 0


def test_a_resumed_run_that_is_killed_too_is_resumed_and_proofs_of_the_first_count(
    server: Server, tmp_path: Path
) -> None:
    write_inventory(tmp_path, server)
    assert in_a_child(tmp_path, 53) == -9  # in the shell step: what cannot be verified is done
    first = runs(tmp_path)[0]
    wait_until_free(lock_file())  # while it is not, a run asks for it twice: line 26 would be an earlier one
    assert in_a_child(tmp_path, 26, resume=str(first)) == -9  # there again
    second = runs(tmp_path)[1]
    assert {step.title: step.status for step in read_journal(second).steps}["Do once"] is Status.SKIPPED
    assert in_a_child(tmp_path, resume=str(second)) == 0
    third = read_journal(runs(tmp_path)[2])
    (done,) = [step.hosts[0] for step in third.steps if step.title == "Do once"]
    assert (done.status, done.proven) == (Status.SKIPPED, first.name)
    assert len(lines_of(tmp_path, "once")) == 1


def test_drift_since_the_proof_is_fixed_and_reported(killed: Path) -> None:
    place = killed.parents[1]
    wait_until_free(lock_file())
    assert in_a_child(place, 38, resume=str(killed)) == -9  # the change is made and not confirmed
    second = runs(place)[1]
    (place / "one").write_text("spoilt")
    assert in_a_child(place, resume=str(second)) == 0
    (host,) = read_journal(runs(place)[2]).steps[1].hosts
    assert host.status is Status.CHANGED
    assert f"already done in {second.name}, but no longer in the desired state" in host.message
    assert (place / "one").read_text() == "first"


def test_a_run_whose_host_went_down_is_resumed(server: Server, tmp_path: Path, programs: Programs) -> None:
    write_inventory(tmp_path, server)
    child = programs.start(
        [
            sys.executable,
            "-c",
            (
                "from pathlib import Path\nfrom runbook_lib.runbook.steps import commit_confirm\n"
                "from tests.execution.fleet.killable_run import run, wait_in_the_guarded_step\n"
                # Where the guard is armed already, the run waits for the host to revert; not a minute longer here.
                "commit_confirm._AFTER_REVERT = 1.0\n"
                f"wait_in_the_guarded_step(Path({str(tmp_path / 'down')!r}))\n"
                f"run(Path({str(tmp_path)!r}))"
            ),
        ],
    )
    wait_until(
        lambda: any(b"Write under" in path.read_bytes() for path in tmp_path.glob("runs/*/journal.jsonl")),
        "the guarded step",
    )
    server.stop()
    (tmp_path / "down").touch()
    child.communicate(timeout=deadline(60))
    server.start()
    (first,) = runs(tmp_path)
    assert read_journal(first).status in {Status.UNREACHABLE, Status.FAILED}
    assert in_a_child(tmp_path, resume=str(first)) == 0, (tmp_path / "problem").read_text()
    assert_desired_state(tmp_path)
