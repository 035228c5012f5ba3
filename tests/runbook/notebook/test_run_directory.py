"""A run's directory has the name that everything reads which looks for runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.verify.discovery import is_run_directory
from runbook_lib.cli.last_outcome import last_outcome
from runbook_lib.evidence.layout import RUN_NAME
from runbook_lib.runbook.notebook import run_directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("runbook", ["10_first", "a", "with_a_20261127T120000Z_in_it_abcdef"])
def test_the_name_of_a_new_run_is_one_of_a_run_and_says_which_runbook(tmp_path: Path, runbook: str) -> None:
    made = run_directory.new(tmp_path, runbook)
    named = RUN_NAME.fullmatch(made.name)
    assert named
    assert named["runbook"] == runbook
    assert is_run_directory(made), "also where its files are gone"
    assert last_outcome(runbook, tmp_path).directory == made
    assert last_outcome("another", tmp_path).text == "never run"
    later = run_directory.new(tmp_path, runbook)
    assert made.name[:16] <= later.name[:16]
