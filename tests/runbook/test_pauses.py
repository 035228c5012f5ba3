"""Between two batches: a pause, a question to a person, Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted, ParameterError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from runbook_lib.process_identity import start_ticks
from runbook_lib.runbook.notebook.parent_process import PARENT_PROCESS
from runbook_lib.runbook.steps.deadline import Deadline
from tests.deadlines import deadline
from tests.programs import end_group
from tests.runbook.practice import Holds
from tests.runbook.rollouts import (
    HOSTS,
    assert_recorded,
    call_when,
    events_of,
    interrupt_when,
    outcomes,
    rolling,
    write_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ipython_kernel import Kernel
    from tests.programs import Programs


def test_ctrl_c_ends_a_pause_and_the_record_says_which_hosts_were_not_attempted(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    watcher = interrupt_when(book, "pause_started")
    with pytest.raises(Interrupted, match=r"interrupted in the pause before batch 2 of 4 \(web-2\)"):
        write_files(book, tmp_path, pause=3600)
    watcher.join()
    assert book.record.status is Status.INTERRUPTED
    assert outcomes(book)[-1] == ("Hosts not attempted", dict.fromkeys(HOSTS[1:], "skipped"))
    ended = [entry for entry in events_of(book) if entry["event"] == "pause_ended"]
    assert [entry["complete"] for entry in ended] == [False]
    assert_recorded(book)


def test_a_pause_ends_when_the_parent_process_has_exited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Programs
) -> None:
    parent = programs.start(["sleep", "3600"])
    monkeypatch.setenv(PARENT_PROCESS, f"{parent.pid}:{start_ticks(parent.pid)}")
    book = Runbook.open(rolling(tmp_path))
    watcher = call_when(book, "pause_started", lambda: end_group(parent))
    with pytest.raises(Interrupted, match=r"interrupted in the pause before batch 2 of 4 \(web-2\)"):
        write_files(book, tmp_path, pause=3600)
    watcher.join()
    assert book.record.status is Status.INTERRUPTED


def test_a_pause_is_as_long_as_asked_and_only_between_batches(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path, hosts="web-1,web-2"))
    started = time.monotonic()
    write_files(book, tmp_path, pause=0.3)
    assert time.monotonic() - started >= 0.3
    book.close()
    assert [entry["batch"] for entry in events_of(book) if entry["event"] == "pause_started"] == [2]


def test_a_pause_ends_with_the_runs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Runbook.open(rolling(tmp_path, run_timeout=600))

    def left(_: Deadline) -> float:
        return 0.0 if any(entry["event"] == "pause_started" for entry in events_of(book)) else 600.0

    monkeypatch.setattr(Deadline, "left", property(left))
    with pytest.raises(StepFailed, match=r"in the pause before batch 2 of 4"):
        write_files(book, tmp_path, pause=3600)
    assert book.record.status is Status.FAILED
    assert_recorded(book)


def test_ctrl_c_between_two_steps_of_a_batch_leaves_the_run_to_the_person(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    batch = next(iter(book.batches()))
    book.step("Write", lambda host: Holds(str(tmp_path / host.name), "new\n"), hosts=batch)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not book.record.ended
    book.close()
    assert outcomes(book)[-1] == ("Hosts not attempted", dict.fromkeys(HOSTS[1:], "skipped"))


def test_a_question_is_refused_where_nobody_can_answer(tmp_path: Path) -> None:
    book = Runbook.open(rolling(tmp_path))
    read, write = os.pipe()
    kept = os.dup(0)
    os.dup2(read, 0)
    try:
        with pytest.raises(ParameterError, match="nobody can answer here"):
            write_files(book, tmp_path, confirm=True)
    finally:
        os.dup2(kept, 0)
        for number in (read, write, kept):
            os.close(number)
    assert outcomes(book) == []


QUESTION = """
from pathlib import Path
from runbook_lib import Runbook
from tests.runbook.rollouts import rolling, write_files
place = Path({place!r})
book = Runbook.open(rolling(place))
write_files(book, place, first=2, then=2, confirm=True)
book.close()
"""


def record_in(place: Path) -> Any:  # noqa: ANN401 - a RunRecord
    (run,) = (place / "runs").iterdir()
    return read_journal(run)


@pytest.mark.parametrize(("answers", "status"), [("what\ny\n", "changed"), ("n\n", "interrupted")])
def test_a_person_at_a_terminal_is_asked_between_batches(
    answers: str, status: str, tmp_path: Path, programs: Programs
) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answers.encode())
        process = programs.start([sys.executable, "-c", QUESTION.format(place=str(tmp_path))], stdin=theirs)
        process.communicate(timeout=deadline(60))
    finally:
        os.close(ours)
        os.close(theirs)
    record = record_in(tmp_path)
    assert record.status == status
    assert ("Hosts not attempted" in {step.title for step in record.steps}) is (status == "interrupted")
    assert (process.returncode == 0) is (status == "changed")


def test_a_person_at_a_notebook_is_asked_and_a_headless_notebook_refuses(
    kernel: Kernel, tmp_path: Path
) -> None:
    code = QUESTION.format(place=str(tmp_path))
    asked: list[str] = []

    def answer(message: dict[str, Any]) -> None:
        asked.append(message["content"]["prompt"])
        kernel.client.input("yes")

    kernel.client.execute_interactive(
        code, allow_stdin=True, stdin_hook=answer, timeout=deadline(60), output_hook=lambda _: None
    )
    assert asked == ["batch 1 of 2 (web-1, web-2): done. Continue with batch 2 of 2 (web-3, web-4)? [y/n] "]
    assert record_in(tmp_path).status is Status.CHANGED
    shown: list[dict[str, Any]] = []
    kernel.client.execute_interactive(code, allow_stdin=False, timeout=deadline(60), output_hook=shown.append)
    assert any("nobody can answer here" in str(item["content"]) for item in shown)
