"""Run the shell lines of a CI recipe, in a directory like a fresh clone, as the CI system would.

The CI system's own steps (checkout, upload of artifacts) are not run: they need GitHub or GitLab.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deadlines import deadline

__all__ = ["TOP", "JobResult", "fresh", "github", "gitlab"]

TOP = Path(__file__).parents[3]
RECIPES = TOP / "docs" / "ci"
_SECRET = re.compile(r"^\$\{\{ secrets\.([A-Z_]+) \}\}$")


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    Args:
        code: 0, or the exit code of the first line that failed.
        output: Everything the job printed.
        artifacts: The files that would be uploaded.
        left: Files the job left in its temporary directories.
    """

    code: int
    output: str
    artifacts: list[Path]
    left: list[Path] = field(default_factory=list)


def fresh(clone: Path) -> Path:
    """Copy the project's files into a directory, with an environment as `tools/set-up` leaves it; return it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, target)
    program = clone / ".venv" / "bin" / "runbook"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={clone} exec {sys.executable} -m runbook_lib.cli.main "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    python = "import os, sys; print(os.path.realpath(sys._base_executable), sys.version_info[:2])"
    for name, text in (
        (".made", f"$PWD $(python3 -c '{python}')"),
        (".ready", "$(cat pyproject.toml constraints.txt tools/set-up | sha256sum) "),
    ):
        subprocess.run(["sh", "-c", f'printf %s "{text}" >.venv/{name}'], cwd=clone, check=True)
    return clone


def github(clone: Path, secrets: dict[str, str]) -> JobResult:
    """Run `github-actions.yml`."""
    workflow = yaml.safe_load((RECIPES / "github-actions.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    temporary = _new(clone.parent / "runner-temp")
    summary = clone.parent / "summary.md"
    code, output, artifacts = 0, "", []
    for step in job["steps"]:
        if code and step.get("if") != "always()":
            continue
        if step.get("uses", "").startswith("actions/upload-artifact"):
            artifacts = _files(clone, [step["with"]["path"]])
        if "run" not in step:
            continue
        assert "${{" not in step["run"], "GitHub would insert text that the shell could execute"
        given = {name: _value(value, secrets) for name, value in step.get("env", {}).items()}
        given |= {"RUNNER_TEMP": str(temporary), "GITHUB_STEP_SUMMARY": str(summary)}
        done = _shell(clone, step["run"], given)
        code = code or done.returncode
        output += done.stdout
    return JobResult(
        code, output + summary.read_text(encoding="utf-8"), artifacts, list(temporary.rglob("*"))
    )


def gitlab(clone: Path, secrets: dict[str, str]) -> JobResult:
    """Run `gitlab-ci.yml`; variables of type File are files next to the clone."""
    pipeline = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text(encoding="utf-8"))
    (job,) = pipeline.values()
    variables = _new(clone.parent / "clone.tmp")
    # A short path: the kernels' sockets are below it, and their names may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ci-") as temporary:
        given = {"TMPDIR": temporary}
        for name, value in secrets.items():
            (variables / name).write_text(value + "\n", encoding="utf-8")
            given[name] = str(variables / name)
        done = _shell(clone, "\n".join([*job["before_script"], *job["script"]]), given)
        left = list(Path(temporary).rglob("*"))
    assert job["artifacts"]["when"] == "always"
    artifacts = _files(clone, job["artifacts"]["paths"])
    reports = sorted(clone.glob(job["artifacts"]["reports"]["junit"]))
    assert reports == [path for path in artifacts if path.name == "junit.xml"]
    return JobResult(done.returncode, done.stdout, artifacts, left)


def _new(path: Path) -> Path:
    path.mkdir()
    return path


def _value(value: Any, secrets: dict[str, str]) -> str:  # noqa: ANN401 - YAML
    """Return the value that GitHub inserts for a secret; empty for one that is not set."""
    match = _SECRET.match(str(value))
    return secrets.get(match[1], "") if match else str(value)


def _shell(clone: Path, script: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run lines as both systems do: in bash, stopping at the first that fails."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=clone,
        env={**environment, "HOME": str(clone.parent), **given},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=deadline(300),
        check=False,
    )


def _files(clone: Path, paths: list[str]) -> list[Path]:
    found = [path for name in paths for path in (clone / name).rglob("*") if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in found if path.suffix != ".html")
    return sorted(found)
