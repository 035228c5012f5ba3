"""Carry out the shell lines of a CI recipe, in a directory like a fresh clone, as the CI system would.

What the CI system's own parts do (check out, keep artifacts) is not done: those need GitHub or GitLab.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deadlines import deadline

__all__ = ["TOP", "Done", "fresh", "github", "gitlab"]

TOP = Path(__file__).parents[3]
RECIPES = TOP / "docs" / "ci"
_SECRET = re.compile(r"^\$\{\{ secrets\.([A-Z_]+) \}\}$")


@dataclass(frozen=True)
class Done:
    """How a job ended.

    Args:
        code: 0, or the exit code of the first line that failed.
        said: All it wrote.
        kept: The files that would be uploaded.
        left: What the job left in its temporary places.
    """

    code: int
    said: str
    kept: list[Path]
    left: list[Path] = field(default_factory=list)


def fresh(place: Path) -> Path:
    """Return a directory with the project's files, and with an environment as `tools/set-up` leaves it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, target)
    program = place / ".venv" / "bin" / "runbook"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={place} exec {sys.executable} -m runbook_lib.cli.main "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    stamp = subprocess.run(
        ["sh", "-c", "cat pyproject.toml constraints.txt tools/set-up | sha256sum"],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    (place / ".venv" / ".ready").write_text(stamp.stdout.strip("\n") + " ", encoding="utf-8")
    return place


def github(place: Path, secrets: dict[str, str]) -> Done:
    """Carry out `github-actions.yml`."""
    told = yaml.safe_load((RECIPES / "github-actions.yml").read_text(encoding="utf-8"))
    (job,) = told["jobs"].values()
    temporary = _new(place.parent / "runner-temp")
    summary = place.parent / "summary.md"
    code, said, kept = 0, "", []
    for step in job["steps"]:
        if code and step.get("if") != "always()":
            continue
        if step.get("uses", "").startswith("actions/upload-artifact"):
            kept = _files(place, [step["with"]["path"]])
        if "run" not in step:
            continue
        assert "${{" not in step["run"], "what GitHub puts in there could be shell"
        given = {name: _value(value, secrets) for name, value in step.get("env", {}).items()}
        given |= {"RUNNER_TEMP": str(temporary), "GITHUB_STEP_SUMMARY": str(summary)}
        done = _shell(place, step["run"], given)
        code = code or done.returncode
        said += done.stdout
    return Done(code, said + summary.read_text(encoding="utf-8"), kept, list(temporary.rglob("*")))


def gitlab(place: Path, secrets: dict[str, str]) -> Done:
    """Carry out `gitlab-ci.yml`; variables of type File are files beside the clone."""
    told = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text(encoding="utf-8"))
    (job,) = told.values()
    variables = _new(place.parent / "clone.tmp")
    temporary = _new(place.parent / "temporary")
    given = {"TMPDIR": str(temporary)}
    for name, value in secrets.items():
        (variables / name).write_text(value + "\n", encoding="utf-8")
        given[name] = str(variables / name)
    done = _shell(place, "\n".join([*job["before_script"], *job["script"]]), given)
    assert job["artifacts"]["when"] == "always"
    kept = _files(place, job["artifacts"]["paths"])
    reports = sorted(place.glob(job["artifacts"]["reports"]["junit"]))
    assert reports == [path for path in kept if path.name == "junit.xml"]
    return Done(done.returncode, done.stdout, kept, list(temporary.rglob("*")))


def _new(path: Path) -> Path:
    path.mkdir()
    return path


def _value(value: Any, secrets: dict[str, str]) -> str:  # noqa: ANN401 - YAML
    """Return what GitHub puts in place of a secret; nothing for one that is not set."""
    match = _SECRET.match(str(value))
    return secrets.get(match[1], "") if match else str(value)


def _shell(place: Path, script: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run lines as both systems do: in bash, ending at the first that fails."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=place,
        env={**kept, "HOME": str(place.parent), **given},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=deadline(300),
        check=False,
    )


def _files(place: Path, paths: list[str]) -> list[Path]:
    found = [path for name in paths for path in (place / name).rglob("*") if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in found if path.suffix != ".html")
    return sorted(found)
