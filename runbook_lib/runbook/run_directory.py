"""A run's directory and what is told of the run at its start."""

from __future__ import annotations

import functools
import getpass
import importlib.metadata
import os
import platform
import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from runbook_lib.parameters import Parameters

__all__ = [
    "RUNS_OPENED",
    "RUN_DIRECTORY",
    "UNIT",
    "Source",
    "make",
    "project_top",
    "source_state",
    "versions",
    "who",
]

RUN_DIRECTORY = "RUNBOOK_RUN_DIRECTORY"
"""Environment variable by which `runbook run` tells a kernel the directory it already made."""

RUNS_OPENED = "RUNBOOK_RUNS_OPENED"
"""Environment variable by which our papermill engine names the file that the runs of its kernel are told in."""

UNIT = "RUNBOOK_UNIT"
"""Environment variable that tells a kernel which piece of a fleet's work its run is."""

_PACKAGES = ("runbook-lib", "papermill", "fabric", "paramiko", "docker", "pandas", "pydantic")

Source = dict[str, Any]


def project_top() -> Path:
    """Return the nearest directory, from the current one upwards, that has a `notebooks` folder; else this one."""
    for base in (Path.cwd(), *Path.cwd().parents):
        if (base / "notebooks").is_dir():
            return base
    return Path.cwd()


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


def who() -> str:
    """Return who runs this, with the user behind `sudo` where there is one."""
    user = getpass.getuser()
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {user}" if behind and behind != user else user


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that the run depends on; as this process loaded them, they are looked up once."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def source_state() -> Source:
    """Return the git commit the runbooks come from and whether anything in it is uncommitted; empty outside git."""
    top = project_top()

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(top), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        "commit": commit,
        "uncommitted": bool(git("status", "--porcelain", "--", "notebooks", "runbook_lib")),
    }
