"""A person at a notebook in JupyterLab: a real kernel, a file that is saved now and then, and its runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook

from tests.execution.project import TOP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ipython_kernel import Kernel

__all__ = ["CLOSE", "IMPORTS", "OPEN", "STEP", "Desk", "copied", "entries"]

IMPORTS = "from runbook_lib import Runbook\nfrom tests.runbook.practice import Does, Holds, Practice"
OPEN = "book = Runbook.open(Practice.collect(globals()))"
STEP = 'book.step("Fine", Does(("true",)))'
CLOSE = "book.close()"


class Desk:
    """A kernel as JupyterLab has it, a notebook, and the runs that come of it.

    Args:
        kernel: The kernel.
        place: For all of it.
    """

    def __init__(self, kernel: Kernel, place: Path) -> None:
        self.kernel = kernel = kernel.of_person()
        self.runs = place / "runs"
        self.book = place / "10_practice.ipynb"
        (place / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
        self.parameters = f'inventory = "{place}/inventory.yml"\nhosts = "all"\nruns = "{self.runs}"'
        kernel.run(
            f"import os, sys\nos.environ['JPY_SESSION_NAME'] = {str(self.book)!r}\nsys.path[:0] = [{str(TOP)!r}]"
        )

    def save(self, *cells: str, outputs: list[Any] | None = None, **metadata: Any) -> None:  # noqa: ANN401 - JSON
        """Save the notebook, as JupyterLab does now and then."""
        sources = ("", self.parameters, IMPORTS, *cells)
        made: Any = new_notebook()  # type: ignore[no-untyped-call]
        made.cells = [new_code_cell(source) for source in sources]  # type: ignore[no-untyped-call]
        made.cells[1].metadata["tags"] = ["parameters"]
        made.cells[-1].outputs = outputs or []
        made.metadata |= {
            "kernelspec": {"name": "python3", "display_name": "3", "language": "python"},
            **metadata,
        }
        write(made, self.book)  # type: ignore[no-untyped-call]

    def begin(self, *cells: str) -> None:
        """Run the first cells, and these."""
        for cell in (self.parameters, IMPORTS, OPEN, *cells):
            self.kernel.run(cell)

    def all_runs(self) -> list[Path]:
        return sorted(self.runs.iterdir(), key=lambda run: entries(run)[0]["started"])

    @property
    def run(self) -> Path:
        (run,) = self.all_runs()
        return run


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_bytes().splitlines()]


def copied(run: Path) -> dict[str, Any]:
    (entry,) = [entry for entry in entries(run) if entry["event"] == "notebook_copied"]
    return entry
