"""A project of small notebooks in a directory of its own, run headless as a user would."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook

from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    import subprocess

    from runbook_lib.model.records import RunRecord
    from tests.programs import Programs

__all__ = ["OPEN", "TOP", "Executed", "Project", "finish", "living"]

TOP = Path(__file__).parents[2]
OPEN = "book = Runbook.open(Practice.collect(globals()))"
_IMPORTS = (
    "from runbook_lib import Runbook\nfrom tests.runbook.practice import Content, Does, Holds, Practice"
)


@dataclass(frozen=True)
class Executed:
    """A program that has ended.

    Args:
        code: Its exit code.
        output: What it printed.
    """

    code: int
    output: str


class Project:
    """Notebooks, an inventory with one host, and their runs.

    Args:
        place: For all of it.
        temporary: For what a killed process leaves behind; a short path, as sockets need.
        programs: Starts papermill and `runbook run`, and ends them with the test.
    """

    def __init__(self, place: Path, temporary: Path, programs: Programs) -> None:
        self._programs = programs
        self.place = place
        self.temporary = temporary
        self.runs = place / "runs"
        self.inventory = place / "inventory.yml"
        self.inventory.write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
        (place / "notebooks").mkdir()

    def notebook(
        self,
        *cells: str,
        runbook: bool = True,
        model: str = "tests.runbook.practice:Practice",
        imports: str = _IMPORTS,
        **given: Any,  # noqa: ANN401 - any parameter
    ) -> Path:
        """Write a notebook: parameters, imports, and these cells."""
        values = {"inventory": str(self.inventory), "hosts": "all", "runs": str(self.runs), **given}
        parameters = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        made: Any = new_notebook()  # type: ignore[no-untyped-call]
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        if runbook:
            made.metadata["runbook"] = {"parameters": model}
            cells = (parameters, imports, *cells)
        made.cells = [new_code_cell(source) for source in cells]  # type: ignore[no-untyped-call]
        made.cells[0].metadata["tags"] = ["parameters"]
        path = self.place / "notebooks" / "10_practice.ipynb"
        write(made, path)  # type: ignore[no-untyped-call]
        return path

    @property
    def executed(self) -> Path:
        """What plain papermill writes."""
        return self.place / "executed.ipynb"

    def papermill(self, notebook: Path, engine: str = "runbook", *options: str) -> subprocess.Popen[str]:
        """Start papermill."""
        return self.start(
            "papermill", "--no-progress-bar", "--engine", engine, *options, str(notebook), str(self.executed)
        )

    def runbook_run(self, notebook: Path, **environment: str) -> subprocess.Popen[str]:
        """Start `runbook run`."""
        return self.start("runbook_lib.cli.main", "-v", "run", str(notebook), **environment)

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a program of this environment."""
        return self._programs.start(
            [sys.executable, "-m", module, *arguments],
            cwd=self.place,
            env={**self.environment(), **environment},
        )

    def environment(self) -> dict[str, str]:
        """The environment of its programs."""
        own = {"PYTHONPATH": str(TOP), "PYTHONWARNINGS": "default", "TMPDIR": str(self.temporary)}
        return {**os.environ, **own}

    @property
    def run(self) -> Path:
        """The directory of the only run."""
        (found,) = self.runs.iterdir()
        return found

    @property
    def record(self) -> RunRecord:
        """The run according to its journal."""
        return read_journal(self.run)

    def entries(self) -> list[dict[str, Any]]:
        """Whole lines of its journal so far; empty before there is one."""
        for journal in self.runs.glob("*/journal.jsonl"):
            return [json.loads(line) for line in journal.read_bytes().rpartition(b"\n")[0].splitlines()]
        return []

    def sent(self) -> list[str]:
        """Texts of the commands sent so far."""
        return [entry["text"] for entry in self.entries() if entry["event"] == "command_started"]

    def wait_for(self, text: str, process: subprocess.Popen[str]) -> None:
        """Wait until a command was sent."""
        wait_until(lambda: text in self.sent() or process.poll() is not None, f"the command {text!r}")
        assert process.poll() is None, process.communicate()

    def kernel(self) -> int:
        """The process that writes the journal."""
        pid: int = self.entries()[0]["pid"]
        return pid

    def cells(self, path: Path | None = None) -> list[str]:
        """What the executed notebook's metadata calls its cells."""
        notebook = json.loads((path or self.executed).read_text(encoding="utf-8"))
        return [
            cell["metadata"]["papermill"]["status"]
            for cell in notebook["cells"]
            if "papermill" in cell["metadata"]
        ]


def finish(process: subprocess.Popen[str]) -> Executed:
    """Wait for a program's end."""
    output, _ = process.communicate(timeout=deadline(60))
    return Executed(process.returncode, output)


def living(line: str) -> list[int]:
    """Processes with exactly this command line that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().replace(b"\0", b" ").strip().decode(errors="replace") == line:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
