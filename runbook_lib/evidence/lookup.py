"""Find the run that a user names."""

from __future__ import annotations

from pathlib import Path

from runbook_lib.errors import InputError

__all__ = ["find_run"]


def find_run(name: str, runs: Path) -> Path:
    """Return the run that a user means.

    Args:
        name: A path; or a run's id or its unique beginning; or `last`.
        runs: The directory with the run directories.

    Raises:
        InputError: It is none, or more than one.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    known = sorted(entry.name for entry in runs.iterdir() if entry.is_dir()) if runs.is_dir() else []
    # A run's id begins with its time, so the last by name is the last by time.
    chosen = known[-1:] if name == "last" else [run for run in known if run.startswith(name)]
    if name in known or len(chosen) == 1:
        return runs / (name if name in known else chosen[0])
    if chosen:
        raise InputError(f"is the beginning of {len(chosen)} runs: {', '.join(chosen[:5])}", where=name)
    raise InputError(
        "is no run directory, journal or notebook, and no run's id",
        where=name,
        hint=f"in {runs} there are: {', '.join(known[-5:]) or 'no runs'}",
    )
