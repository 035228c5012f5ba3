"""The notebook that a kernel executes where nobody names it: the one whose cells are those that run.

papermill, nbclient and nbconvert do not let a kernel know which file its cells are from. Up to `Runbook.open` many
notebooks are alike, so what they have in common only suggests one: each later cell has to be that notebook's too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.display import ipython_shell
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.project import notebooks_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["INJECTED_CELL", "GuessedNotebook"]

INJECTED_CELL = "# Parameters"
"""How a cell that papermill injects begins."""
_NBCONVERT = ".nbconvert"  # ends the name of what `nbconvert --execute` writes, before the suffix


class GuessedNotebook:
    """A notebook that begins with the cells that ran.

    Args:
        path: Its file.
        cells: Its code cells.
    """

    def __init__(self, path: Path, cells: Sequence[str]) -> None:
        self.path = path
        self._cells = cells

    @classmethod
    def find(cls, tag: str) -> GuessedNotebook | None:
        """Return the notebook here or in the project that begins with the cells that ran; None if not exactly one does.

        Copies that papermill and nbconvert write while they execute a notebook are left out.

        Args:
            tag: Of a cell that it must have.
        """
        ran = _ran()
        found = []
        for path in sorted({*Path.cwd().glob("*.ipynb"), *notebooks_folder().glob("*.ipynb")}):
            try:
                notebook = Notebook.parse(path.read_bytes(), str(path))
                cells = notebook.sources()
            except (OSError, EvidenceError, AttributeError, TypeError):  # not a notebook that could have run
                continue
            code = [cell.source.strip() for cell in cells if cell.kind == "code" and cell.source.strip()]
            tagged = any(tag in cell.tags for cell in cells)
            if ran and tagged and code[: len(ran)] == ran and not _is_executed_copy(path, notebook):
                found.append(cls(path, code))
        return found[0] if len(found) == 1 else None

    def contradiction(self) -> str:
        """Return why the cells that ran so far, the one that runs now included, are another notebook's; or nothing."""
        ran = _ran()
        if self._cells[: len(ran)] == ran:
            return ""
        return (
            f"the cells that ran are not those of {self.path.name}, with which they begin: name the runbook, as in "
            "Runbook.open(name='tls-rotation')"
        )


def _ran() -> list[str]:
    return [cell for cell in map(str.strip, _history()) if cell and not cell.startswith(INJECTED_CELL)]


def _history() -> Iterator[str]:
    """Yield the cells that ran, as they were sent."""
    shell = ipython_shell.shell()
    yield from map(str, shell.history_manager.input_hist_raw if shell else ())


def _is_executed_copy(path: Path, notebook: Notebook) -> bool:
    """Return whether a program that executes notebooks has written a file, perhaps just now from the one that runs."""
    papermill = notebook.metadata.get("papermill")
    return path.stem.endswith(_NBCONVERT) or (
        isinstance(papermill, dict) and bool(papermill.get("output_path"))
    )
