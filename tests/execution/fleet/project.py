"""A project of the tests' own: runbooks written for the occasion, driven by the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import yaml
from click import ClickException
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord
    from tests.programs import Programs

__all__ = ["BOOKS", "Project"]

TOP = Path(__file__).parents[3]
BOOKS = {"10_first": ("First", []), "15_other": ("Other", []), "20_second": ("Second", ["10_first"])}
BOOKS["30_third"] = ("Third", ["20_second"])
_IMPORTS = "from runbook_lib import Runbook\nfrom tests.execution.fleet.practice_books import *"
_LOOKS = ['book.facts("Look", Asleep(p.seconds))']


@dataclass(frozen=True)
class Project:
    """A directory with `notebooks/` and an inventory."""

    top: Path
    programs: Programs

    @property
    def runs(self) -> Path:
        return self.top / "runs"

    @property
    def place(self) -> Path:
        return self.top / "place"

    def write(self, name: str, *cells: str) -> None:
        """Write a runbook; without cells one that looks for as long as the parameter `seconds` says."""
        model, needs = BOOKS[name]
        parameters = f'inventory = "inventory.yml"\nhosts = "all"\nplace = "{self.place}"\nseconds = 0.0\nword = "well"'
        sources = [_IMPORTS, f"p = {model}.collect(globals())\nbook = Runbook.open(p)", *(cells or _LOOKS)]
        notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
        first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})  # type: ignore[no-untyped-call]
        rest = [nbformat.v4.new_code_cell(source) for source in [*sources, "book.close()"]]  # type: ignore[no-untyped-call]
        notebook.cells = [first, *rest]
        metadata = {"parameters": f"tests.execution.fleet.practice_books:{model}", "needs": needs}
        notebook.metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "runbook": metadata,
        }
        self.place.mkdir(parents=True, exist_ok=True)
        (self.top / "notebooks").mkdir(exist_ok=True)
        nbformat.write(notebook, self.top / "notebooks" / f"{name}.ipynb")  # type: ignore[no-untyped-call]

    def hosts(self, **hosts: dict[str, Any]) -> None:
        """Write the inventory."""
        inventory = {"hosts": {name.replace("_", "-"): host for name, host in hosts.items()}}
        (self.top / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(TOP), "TMPDIR": str(self.top)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runbook_lib.cli.main", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command("run", *arguments),
            cwd=self.top,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=deadline(120),
            check=False,
        )

    def refused(self, *arguments: str, runs: int = 0) -> str:
        """Have the command line, in this process and directory, refuse something; return all it says."""
        done = CliRunner().invoke(cli, ["run", *arguments], standalone_mode=False)
        assert isinstance(done.exception, InputError | ClickException), done
        assert done.exception.exit_code == 2
        assert len(list(self.runs.glob("2*"))) == runs
        return str(done.exception)

    @staticmethod
    def wait_until_gone(pid: int) -> None:
        """Wait for the end of a process that is not ours: a kernel ends a moment after its runner."""
        wait_until(lambda: not Path(f"/proc/{pid}/stat").exists(), f"the end of process {pid}")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.programs.start(self.command("run", *arguments), cwd=self.top, env=self.environment())

    def records(self) -> list[RunRecord]:
        """All runs, by their beginning."""
        found = [read_journal(path) for path in self.runs.glob("*/") if (path / "journal.jsonl").exists()]
        return sorted(found, key=lambda record: record.started)

    def entries(self) -> list[dict[str, Any]]:
        """The lines of all journals, by their time."""
        journals = [read_lines(path.read_bytes()).entries for path in self.runs.glob("*/journal.jsonl")]
        return sorted((entry for lines in journals for entry in lines), key=lambda entry: entry["time"])

    def wait_for(self, event: str, containing: str = "", number: int = 1) -> list[dict[str, Any]]:
        """Wait until journals have so many entries of an event whose text contains something."""

        def found() -> list[dict[str, Any]]:
            those = [e for e in self.entries() if e["event"] == event and containing in json.dumps(e)]
            return those if len(those) >= number else []

        return wait_until(found, f"{number} {event} with {containing!r}")
