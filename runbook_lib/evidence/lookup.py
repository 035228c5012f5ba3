"""Find and read the run that a user names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.evidence.judgement import judged_record, with_judgement
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, RUN_NAME
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import record_of_notebook
from runbook_lib.evidence.regular_file import read
from runbook_lib.evidence.run_order import in_order_of_start
from runbook_lib.known_names import complete_name, did_you_mean
from runbook_lib.project import usable_path

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["find_run", "read_run"]


def find_run(name: str, runs: Path) -> Path:
    """Return the run that a user means.

    Args:
        name: A path, a run id, a unique prefix of a run id, or `last`.
        runs: The directory with the run directories.

    Raises:
        InputError: No run matches, or more than one.
    """
    path = usable_path(name)
    if path.exists():
        return path
    found = filter(_is_run, runs.iterdir()) if runs.is_dir() else ()
    known = [run.name for run in in_order_of_start(found)]
    if name == "last" and known:
        return runs / known[-1]
    if any(run.startswith(name) for run in known):
        return runs / complete_name(name, known, kind="run", where=str(runs))
    raise InputError(
        "not a run directory, journal, notebook or run id",
        where=name,
        hint=f"{did_you_mean(name, known[::-1])}latest runs in {runs}: {', '.join(known[-5:]) or 'none'}",
    )


def _is_run(path: Path) -> bool:
    """Return whether this is a run directory by its name, or by what is in it: others may hold anything."""
    is_run = path.is_dir() and any(os.path.lexists(path / name) for name in (JOURNAL, ATTESTATION))
    return is_run or bool(RUN_NAME.fullmatch(path.name))


def read_run(path: str | Path) -> RunRecord:
    """Return the record of a run, judged.

    Args:
        path: A run directory, a `journal.jsonl`, or an executed notebook.

    Returns:
        Its status is the judge's: `unknown`, with `incomplete` saying why, if the end of the run was not recorded.

    Raises:
        InputError: `path` does not exist, or cannot be looked at.
        EvidenceError: It exists, but no run can be read from it.
    """
    path = usable_path(path)
    if not path.exists():
        raise InputError(
            "there is no such run", where=str(path), hint="name a run directory, a journal or a notebook"
        )
    if path.suffix != ".ipynb":
        return judged_record(path)
    notebook = Notebook.parse(read(path), str(path))
    return with_judgement(record_of_notebook(notebook), notebook)
