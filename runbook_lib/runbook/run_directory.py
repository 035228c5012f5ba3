"""A run's directory and what is told of the run at its start."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from runbook_lib.errors import EvidenceError
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from runbook_lib.parameters import Parameters

__all__ = ["RUNS_OPENED", "RUN_DIRECTORY", "UNIT", "make"]

RUN_DIRECTORY = "RUNBOOK_RUN_DIRECTORY"
"""Environment variable by which `runbook run` tells a kernel the directory it already made."""

RUNS_OPENED = "RUNBOOK_RUNS_OPENED"
"""Environment variable by which our papermill engine names the file that the runs of its kernel are told in."""

UNIT = "RUNBOOK_UNIT"
"""Environment variable that tells a kernel which piece of a fleet's work its run is."""


def make(parameters: Parameters) -> Path:
    """Make the run's directory, or take the one that `runbook run` made.

    Args:
        parameters: `runs` names the parent; `runbook` becomes part of the name.

    Returns:
        The directory; its name is the run's id.

    Raises:
        EvidenceError: It cannot be made.
    """
    given = os.environ.get(RUN_DIRECTORY)
    if given and not (Path(given) / "journal.jsonl").exists():
        path = Path(given)
    else:
        path = new(project_top() / Path(parameters.runs).expanduser(), parameters.runbook)
    _announce(path)
    return path


def _announce(path: Path) -> None:
    """Tell our engine of a run before its first line is written, so that it is judged whatever happens next."""
    file = os.environ.get(RUNS_OPENED)
    if not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as told:
            told.write(f"{path.absolute()}\n")
    except OSError as problem:
        raise EvidenceError(
            f"whoever runs this cannot be told of the run: {problem.strerror or problem}",
            where=file,
            hint="no host was touched",
        ) from problem


def new(runs: Path, runbook: str) -> Path:
    """Make a new run directory below `runs`; see `make`."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = runs / f"{stamp}_{runbook}_{secrets.token_hex(3)}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except OSError as problem:
        raise EvidenceError(
            f"the run directory cannot be made: {problem.strerror or problem}",
            where=str(path),
            hint="name a writable place with the parameter `runs`; no host was touched",
        ) from problem
    return path


def write_parameters(directory: Path, parameters: Parameters) -> None:
    """Write `parameters.yml` as given; secrets are references there.

    Raises:
        EvidenceError: It cannot be written.
    """
    path = directory / "parameters.yml"
    text = yaml.safe_dump(parameters.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as problem:
        raise EvidenceError(
            f"cannot be written: {problem.strerror or problem}", where=str(path), hint="no host was touched"
        ) from problem
