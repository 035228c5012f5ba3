"""An interrupt at any instant of a run costs no line of its journal, and is never taken for success."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from runbook_lib.runbook.steps.interrupts import on_interrupt
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIES = 60


def run_until_interrupted(place: Path, seconds: float) -> str:
    """Carry quick steps out until Ctrl-C is pressed; return where it came."""
    book = Runbook.open(parameters(place))
    timer = threading.Timer(seconds, signal.pthread_kill, args=(threading.get_ident(), signal.SIGINT))
    try:
        timer.start()
        while True:
            book.step("Quick", Does(("true",)))
    except Interrupted:
        return "in a step"
    except KeyboardInterrupt:
        return "between two steps"


def test_an_interrupt_at_any_instant_leaves_a_valid_journal_that_claims_no_success(tmp_path: Path) -> None:
    came = []
    for number in range(TRIES):
        place = tmp_path / str(number)
        place.mkdir()
        came.append(run_until_interrupted(place, 0.04 * number / TRIES))
        for journal in (place / "runs").glob("*/journal.jsonl"):
            assert read_lines(journal.read_bytes()).problem == ""
            record = read_journal(journal)
            # No engine is there to end a run that was interrupted between two steps.
            assert record.status is (Status.INTERRUPTED if came[-1] == "in a step" else Status.UNKNOWN)
    assert came.count("in a step") > TRIES // 2


class Presses(logging.Handler):
    """Presses Ctrl-C as soon as the log contains a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def press(request: pytest.FixtureRequest) -> Iterator[None]:
    handler = Presses(request.param)
    log = logging.getLogger("runbook_lib.display")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


@pytest.mark.parametrize("press", ["1. First: changed"], indirect=True)
@pytest.mark.usefixtures("press")
def test_an_interrupt_while_a_steps_card_is_shown_ends_the_run(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    with pytest.raises(Interrupted):
        book.step("First", Does(("true",)))
    record = read_journal(book.directory)
    assert (record.status, record.steps[0].status) == (Status.INTERRUPTED, Status.CHANGED)


@pytest.mark.parametrize("press", ["10_practice apply: host-a, host-b"], indirect=True)
@pytest.mark.usefixtures("press")
def test_an_interrupt_during_the_start_of_a_run_is_raised_after_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Runbook.open(parameters(tmp_path))
    (path,) = (tmp_path / "runs").iterdir()
    assert read_journal(path).status is Status.UNKNOWN
    assert read_lines((path / "journal.jsonl").read_bytes()).problem == ""


@pytest.mark.parametrize("press", ["10_practice: changed"], indirect=True)
@pytest.mark.usefixtures("press")
def test_an_interrupt_after_the_last_line_changes_nothing(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    book.step("First", Does(("true",)))
    assert book.close().status is Status.CHANGED
    assert read_journal(book.directory).status is Status.CHANGED


def test_ctrl_c_calls_back_within_the_block_and_is_raised_after_it() -> None:
    calls: list[str] = []
    with on_interrupt(lambda: calls.append("outer")):
        signal.raise_signal(signal.SIGINT)
        with on_interrupt(lambda: calls.append("inner")):
            signal.raise_signal(signal.SIGINT)
    assert calls == ["outer", "outer"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_process_that_ignores_ctrl_c_keeps_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with on_interrupt(lambda: pytest.fail("the callback was called")):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_during_the_callback_does_not_call_it_again() -> None:
    calls: list[float] = []

    def callback() -> None:
        signal.raise_signal(signal.SIGINT)
        calls.append(time.monotonic())

    with on_interrupt(callback):
        signal.raise_signal(signal.SIGINT)
    assert len(calls) == 1
