"""A project of its own in git, with one small runbook, and real headless runs of it on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import runbook_lib
from tests.deadlines import deadline
from tests.report import practice

TOP = Path(runbook_lib.__file__).parents[1]
SOURCE = TOP / "tests" / "report" / "files" / "practice.ipynb"
NAME = "10_practice"


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, "-C", str(place), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Project:
    """A directory with `notebooks`, under git."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> Project:
        notebooks = path / "notebooks"
        notebooks.mkdir(parents=True)
        notebook = json.loads(SOURCE.read_text(encoding="utf-8"))
        notebook["metadata"]["runbook"] = {
            "parameters": "tests.report.practice:Practice",
            "target": "",
            "risk": "",
        }
        (notebooks / f"{NAME}.ipynb").write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        (path / "inventory.yml").write_text(practice.INVENTORY, encoding="utf-8")
        git(path, "init", "-q", "-b", "main")
        (path / ".gitignore").write_text("runs\n*.txt\n", encoding="utf-8")
        git(path, "add", ".")
        git(path, "commit", "-qm", "A small runbook")
        return cls(path)

    def runbook(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call the command line, as a user would, in the project's directory."""
        return subprocess.run(
            [sys.executable, "-m", "runbook_lib.cli.main", *arguments],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(TOP), **environment},
            capture_output=True,
            text=True,
            timeout=deadline(120),
            check=False,
        )

    def run(self, *arguments: str) -> Path:
        """Run the runbook headless; return the run directory, its seal taken away: tests seal as they want."""
        before = set(self.runs())
        done = self.runbook("run", NAME, "-p", "directory", str(self.path), *arguments)
        (made,) = set(self.runs()) - before
        assert "evidence:" in done.stdout + done.stderr, done
        (made / "attestation.json").unlink(missing_ok=True)
        return made

    def runs(self) -> list[Path]:
        runs = self.path / "runs"
        return sorted(runs.iterdir()) if runs.is_dir() else []
