"""A notebook as its author wrote it: its cells, their Python, and the lines of the file that they are on."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.cell_python import with_magic_calls, without_transparent_magics
from runbook_lib.execution.cell_syntax import compile_cell
from runbook_lib.execution.notebook_file import read_notebook
from runbook_lib.execution.step_calls import opened_runs, other_names
from runbook_lib.lint.rules import Finding
from runbook_lib.runbook.notebook.notebook_parameters import TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Cell", "NotebookSource"]

_NOT_PYTHON = re.compile(r"^\s*(?:[\w, ]+=\s*)?[!%?]|\?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        number: Ordinal number in the notebook, from 1.
        content: As in the file.
        file_line: Line of the file on which its source begins, or the cell itself.
    """

    number: int
    content: Mapping[str, Any]
    file_line: int

    @property
    def id(self) -> str:
        """Its id; empty if it has none."""
        return str(self.content.get("id", ""))

    @property
    def is_code(self) -> bool:
        """Whether it is a code cell."""
        return bool(self.content["cell_type"] == "code")

    @property
    def is_prose(self) -> bool:
        """Whether it is a Markdown cell with text in it."""
        return self.content["cell_type"] == "markdown" and bool(self.source.strip())

    @property
    def is_parameters(self) -> bool:
        """Whether it is tagged as the parameters cell."""
        return TAG in self.content["metadata"].get("tags", [])

    @cached_property
    def source(self) -> str:
        """Its text."""
        return "".join(self.content["source"])

    @cached_property
    def python(self) -> str:
        """Its text without magics that only time, profile or capture the rest, such as `%%time`."""
        return without_transparent_magics(self.source)

    @cached_property
    def tree(self) -> ast.Module | SyntaxError:
        """Its Python, in which IPython's magics are calls of `get_ipython()`; or why it is not Python."""
        source = self.python
        try:
            tree = ast.parse(with_magic_calls(source) if _NOT_PYTHON.search(source) else source)
            compile_cell(tree)
        except SyntaxError as problem:
            return problem
        except (ValueError, RecursionError) as problem:
            return SyntaxError(str(problem))
        return tree

    def nodes(self) -> Iterator[ast.AST]:
        """Yield every node of its Python; nothing if it is not Python."""
        if isinstance(self.tree, ast.Module):
            yield from ast.walk(self.tree)


class NotebookSource:
    """A notebook file.

    Args:
        path: The file.

    Raises:
        InputError: It is not a notebook, or not a valid one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        contents, self.metadata = read_notebook(path)
        starts = _file_lines(path.read_text(encoding="utf-8"), contents)
        self.cells = [
            Cell(number, content, line)
            for number, (content, line) in enumerate(zip(contents, starts, strict=True), start=1)
        ]

    @property
    def code(self) -> list[Cell]:
        """Its code cells."""
        return [cell for cell in self.cells if cell.is_code]

    @property
    def is_analysis(self) -> bool:
        """Whether it only analyses runs: it touches no host and opens no run."""
        declared = self.metadata.get("runbook")
        return isinstance(declared, dict) and "analysis" in declared

    @property
    def is_runbook(self) -> bool:
        """Whether it is meant to be a runbook or an analysis: it says so, or it opens a run."""
        return "runbook" in self.metadata or self.opens_a_run

    @property
    def opens_a_run(self) -> bool:
        """Whether a cell opens a run."""
        return any(self.books(cell) for cell in self.code)

    def books(self, cell: Cell) -> set[str]:
        """Return the variables that a cell sets to a new run: `book = Runbook.open(p)`."""
        return {*opened_runs(cell.nodes())}

    @cached_property
    def all_books(self) -> set[str]:
        """The variables of all its runs, also those that were set to one of them: `b = book`."""
        books = {name for cell in self.code for name in self.books(cell)}
        return books | other_names([node for cell in self.code for node in cell.nodes()], books)

    def finding(
        self, rule: str, message: str, cell: Cell | None = None, line: int = 1, hint: str = ""
    ) -> Finding:
        """Return a finding about a cell, or about the notebook as a whole.

        Args:
            rule: The rule's id.
            message: What is wrong.
            cell: The cell.
            line: Line in the cell.
            hint: What to do about it, if the rule's hint does not fit.
        """
        path = str(self.path)
        if cell is None:
            return Finding(path, rule, message, own_hint=hint)
        return Finding(path, rule, message, cell.number, cell.id, line, cell.file_line + line - 1, hint)


def _file_lines(text: str, contents: list[dict[str, Any]]) -> list[int]:
    """Return the line on which each cell's source begins, as nbformat and Jupyter write notebooks; else 1."""
    lines = text.splitlines()
    opened = [
        number for number, line in enumerate(lines, start=1) if line.lstrip().startswith('"cell_type":')
    ]
    if len(opened) != len(contents):
        return [1] * len(contents)
    starts = []
    for number, end in zip(opened, [*opened[1:], len(lines) + 1], strict=True):
        found = [line for line in range(number, end) if lines[line - 1].lstrip().startswith('"source": [')]
        starts.append(found[-1] + 1 if found else number)
    return starts
