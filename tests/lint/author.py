"""The author of a runbook: a notebook without findings, its inventory, and whatever is changed about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from runbook_lib.lint.lint import lint

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lint.rules import Finding

__all__ = ["CLOSE", "OPEN", "PARAMETERS", "STEP", "Author", "code", "prose"]

PARAMETERS, OPEN, STEP, CLOSE = 1, 3, 5, 6  # places of the cells


class Author:
    """Writes one runbook without findings, and whatever is changed about it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place / "notebooks" / "10_practice.ipynb"
        self.path.parent.mkdir()
        (place / "inventory.yml").write_text("hosts:\n  web: {connection: local}\n", encoding="utf-8")
        self.notebook: Any = new_notebook()  # type: ignore[no-untyped-call]
        self.notebook.metadata["runbook"] = {
            "parameters": "runbook_lib.books.docker.parameters:Preflight",
            "target": "web servers",
            "risk": "none: read-only",
        }
        self.notebook.cells = [
            prose("# 10 Practice\n\nWhat it is for."),
            code('inventory = "inventory.yml"\nhosts = "web"\nruns = "runs"'),
            code(
                "from runbook_lib import Runbook\nfrom runbook_lib.books.docker.parameters import Preflight"
            ),
            code("p = Preflight.collect(globals())\nbook = Runbook.open(p)"),
            prose("## The machine\n\nThe kernel is shown."),
            code("from runbook_lib.facts.kernel import Kernel\n\nbook.facts('Kernel', Kernel())"),
            code("book.close()"),
        ]
        self.cells[PARAMETERS].metadata["tags"] = ["parameters"]
        for number, cell in enumerate(self.cells):
            cell["id"] = f"10-{number:02}"

    @property
    def cells(self) -> Any:  # noqa: ANN401 - nbformat's
        return self.notebook.cells

    def findings(self) -> list[Finding]:
        """Write the notebook, and lint it."""
        self.write()
        return list(lint([self.path]).findings)

    def write(self) -> None:
        """Write the notebook as Jupyter does."""
        cells = [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in self.cells]
        content = {**self.notebook, "cells": cells}
        self.path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")

    def params(self, text: str) -> None:
        """Write a parameters file."""
        path = self.place / "params" / "own" / "10_practice.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")


def code(source: str) -> Any:  # noqa: ANN401 - nbformat's
    return new_code_cell(source)  # type: ignore[no-untyped-call]


def prose(source: str) -> Any:  # noqa: ANN401 - as above
    return new_markdown_cell(source)  # type: ignore[no-untyped-call]
