"""A journal that is followed while it is written: a cell of the notebook could write anything into it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.follower import JournalFollower

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("named", ["../../elsewhere", "/", "", "another", None, 7, ["run"]])
def test_an_id_that_is_not_the_directorys_name_is_not_passed_on(tmp_path: Path, named: object) -> None:
    lines = [{"event": "run_started", "run": named}, {"event": "step_started", "step": 1}]
    run = tmp_path / "run"
    run.mkdir()
    (run / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(JournalFollower(run).new_entries()) == lines[1:]


def test_the_directorys_own_id_is_passed_on(tmp_path: Path) -> None:
    line = {"event": "run_started", "run": tmp_path.name}
    (tmp_path / "journal.jsonl").write_text(json.dumps(line) + "\n")
    follower = JournalFollower(tmp_path)
    assert list(follower.new_entries()) == [line]
    assert list(follower.new_entries()) == []


def test_a_journal_that_cannot_be_read_has_no_new_entries_and_is_reported_at_the_end(tmp_path: Path) -> None:
    run, line = tmp_path / "run", {"event": "step_started", "step": 1}
    run.mkdir()
    (run / "journal.jsonl").write_text(json.dumps(line) + "\n")
    follower = JournalFollower(run)
    assert list(follower.new_entries()) == [line]
    run.rename(tmp_path / "aside")
    run.symlink_to(run)  # ELOOP, as other errors of a file system: it is there, and cannot be opened
    assert list(follower.new_entries()) == []
    assert "is gone: Too many levels of symbolic links" in follower.replaced()
