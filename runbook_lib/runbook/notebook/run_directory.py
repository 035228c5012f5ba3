"""A run's directory, and how a kernel and the process that started it agree on one."""

from __future__ import annotations

import os
import secrets
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.errors import EvidenceError, ParameterError
from runbook_lib.evidence.layout import JOURNAL, PARAMETERS
from runbook_lib.project import expanded, project_top
from runbook_lib.runbook.notebook.parent_process import report_to_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.parameters import Parameters

__all__ = ["JOB", "NOTEBOOK_FILE", "RUNS_OPENED", "RUN_DIRECTORY", "check_parent", "identity", "make"]

RUN_DIRECTORY = "RUNBOOK_RUN_DIRECTORY"
"""Environment variable with the directory that `runbook run` has made for the kernel's run."""

RUNS_OPENED = "RUNBOOK_RUNS_OPENED"
"""Environment variable with the file to which a kernel writes the directory of each run that it opens."""

NOTEBOOK_FILE = "RUNBOOK_NOTEBOOK_FILE"
"""Environment variable with the path of the notebook that a kernel executes, a blank, and the file's SHA-256."""

JOB = "RUNBOOK_UNIT"
"""Environment variable with the id of the fleet job that the kernel's run belongs to."""

_HINT = "set the parameter `runs` to a writable directory"


def check_parent(runs: str, where: str) -> None:
    """Check that a run directory can be made, as far as that is known without making it.

    Args:
        runs: The parent, as the parameter says it.
        where: The parameters, for messages.

    Raises:
        ParameterError: It is empty, or what exists of the parent is not a directory, or this user cannot write to it.
    """
    if not runs.strip():  # run directories would be made among the notebooks' own
        raise ParameterError("the parameter `runs` is empty", where=where, hint=_HINT)
    wanted = project_top() / expanded(runs)
    existing = next(path for path in (wanted, *wanted.parents) if os.path.exists(path))  # noqa: PTH110 - never raises
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return
    raise ParameterError(
        f"no run directory can be made in {wanted}: {existing} is "
        + ("not writable" if existing.is_dir() else "not a directory"),
        where=where,
        hint=_HINT,
    )


def make(parameters: Parameters) -> Path:
    """Make the run's directory, or use the one that `runbook run` has made.

    Args:
        parameters: `runs` names the parent; `runbook` becomes part of the name.

    Returns:
        The directory; its name is the run's id.

    Raises:
        EvidenceError: The directory cannot be made.
    """
    given = os.environ.get(RUN_DIRECTORY)
    if given and not (Path(given) / JOURNAL).exists():
        path = Path(given)
    else:
        path = new(project_top() / expanded(parameters.runs), parameters.runbook)
    _announce(path)
    return path


def _announce(path: Path) -> None:
    """Report a run to our engine before its first line is written, so that the engine judges it whatever happens."""
    report_to_engine(RUNS_OPENED, str(path.absolute()), "the run", hint="no host was touched")


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
            hint=f"{_HINT}; no host was touched",
        ) from problem
    return path


def identity(path: Path) -> tuple[int, int] | None:
    """Return what stays the same until a run directory is replaced; None if it is missing or a symbolic link.

    Args:
        path: The directory.
    """
    try:
        status = path.lstat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def write_parameters(directory: Path, parameters: Parameters, mask: Callable[[Any], Any]) -> None:
    """Write `parameters.yml` as given; secrets stay references.

    Args:
        directory: The run directory.
        parameters: The parameters.
        mask: Removes secret values, as from the journal: another parameter may contain one.

    Raises:
        EvidenceError: The file cannot be written.
    """
    path = directory / PARAMETERS
    text = yaml.safe_dump(mask(parameters.model_dump(mode="json")), sort_keys=False, allow_unicode=True)
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as problem:
        raise EvidenceError(
            f"{PARAMETERS} cannot be written: {problem.strerror or problem}",
            where=str(path),
            hint="no host was touched",
        ) from problem
