"""A journal has a writer while its process lives, and none soon after that process has died."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.evidence.liveness import Liveness, has_writer, liveness, still_running
from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from tests.programs import Programs

TOP = Path(__file__).parents[2]


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """The journal, without an end, of a run whose process is gone."""
    subprocess.run([sys.executable, "-m", "tests.runbook.practice", str(tmp_path), "0"], cwd=TOP, check=True)
    (journal,) = tmp_path.glob("runs/*/journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    return journal


def test_a_child_that_a_dead_writer_was_starting_is_waited_for(
    cut_off: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cut_off.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # As a child does between its fork and its program: the open file is its own now.
        child = programs.start(["cat"], stdin=subprocess.PIPE, pass_fds=[file.fileno()])
    assert child.stdin
    record = read_journal(cut_off.parent)
    assert liveness(record) is Liveness.STALE
    assert has_writer(cut_off)
    monkeypatch.setattr("runbook_lib.evidence.liveness.FORK_TO_EXEC", deadline(60))
    ended = threading.Timer(0.2, child.stdin.close)
    ended.start()
    assert not still_running(cut_off, record)
    ended.join()
    assert child.wait() == 0


def test_a_process_that_keeps_a_dead_writers_journal_open_counts_as_running(cut_off: Path) -> None:
    with cut_off.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert still_running(cut_off, read_journal(cut_off.parent))
    assert not has_writer(cut_off)


def test_a_run_with_a_living_writer_is_running(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    journal = book.directory / "journal.jsonl"
    assert has_writer(journal)
    assert still_running(journal, read_journal(book.directory))
    book.step("Only", Does(("true",)))
    book.close()


def test_a_missing_journal_has_no_writer(tmp_path: Path) -> None:
    assert not has_writer(tmp_path / "journal.jsonl")
