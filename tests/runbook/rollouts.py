"""Runs that go over hosts in batches, and what their records say."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline
from tests.runbook.practice import Does, Holds, Practice, parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib import Runbook


HOSTS = ("web-1", "web-2", "web-3", "web-4")


def rolling(place: Path, **given: Any) -> Practice:  # noqa: ANN401 - any parameter
    """Parameters of a run with four local hosts."""
    lines = [f"  {name}: {{connection: local}}" for name in HOSTS]
    (place / "inventory.yml").write_text("hosts:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return parameters(place, **given)


def write_files(book: Runbook, place: Path, bad: str = "", **how: Any) -> None:  # noqa: ANN401 - any argument
    """Two steps on each batch; the second one fails on the host `bad`."""
    for batch in book.batches(**how):
        book.step("Write", lambda host: Holds(str(place / host.name), "new\n"), hosts=batch)
        book.step("Prove", lambda host: Does(("false",) if host.name == bad else ("true",)), hosts=batch)


def outcomes(book: Runbook) -> list[tuple[str, dict[str, str]]]:
    return [(step.title, {host.host: host.status.value for host in step.hosts}) for step in book.record.steps]


def events_of(book: Runbook) -> list[dict[str, Any]]:
    return read_lines((book.directory / "journal.jsonl").read_bytes()).entries


def assert_recorded(book: Runbook) -> None:
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""


def interrupt_when(
    book: Runbook, event: str, which: Callable[[dict[str, Any]], bool] = lambda _: True
) -> threading.Thread:
    """Send Ctrl-C to this process once the journal has an event."""
    return call_when(book, event, lambda: os.kill(os.getpid(), signal.SIGINT), which)


def call_when(
    book: Runbook,
    event: str,
    then: Callable[[], None],
    which: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> threading.Thread:
    """Call something, in another thread, once the journal has an event."""

    def watch() -> None:
        until = time.monotonic() + deadline(30)
        while time.monotonic() < until:
            if any(entry["event"] == event and which(entry) for entry in events_of(book)):
                then()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
