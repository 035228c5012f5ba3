"""The public API is declared in one place, and what we show to others uses nothing else."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runbook_lib

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
SHOWN = sorted(
    [
        *TOP.glob("*.md"),
        *(TOP / "docs").rglob("*.md"),
        *(TOP / "notebooks").glob("*.ipynb"),
        *(TOP / "examples").rglob("*.ipynb"),
        *(TOP / "examples").rglob("*.py"),
    ]
)
PUBLIC = re.compile(r"runbook_lib(\.(facts|operations|integrations|books)(\.\w+)*)?")


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each module of ours that a document imports from, and the names taken from it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    for match in re.finditer(
        r"^\s*from (runbook_lib[\w.]*) import ([\w, ]+)|^\s*import (runbook_lib[\w.]*)", text, re.MULTILINE
    ):
        names = [name.split(" as ")[0].strip() for name in (match[2] or "").split(",")]
        yield match[1] or match[3], names


@pytest.mark.parametrize("name", runbook_lib.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(runbook_lib, name) is not None


def test_a_name_that_is_not_public_is_not_there() -> None:
    assert not hasattr(runbook_lib, "HostSession")


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    tree = ast.parse((TOP / "runbook_lib" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(runbook_lib.__all__) - {"__version__"}


def test_the_package_says_that_it_is_typed() -> None:
    assert (TOP / "runbook_lib" / "py.typed").is_file()


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    program = (
        "import sys, runbook_lib; print([name for name in sys.modules if name.startswith('runbook_lib.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TOP
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(TOP)))
def test_what_we_show_uses_only_the_public_api(path: Path) -> None:
    for module, names in imports(path):
        assert PUBLIC.fullmatch(module), f"{module} is internal"
        if module == "runbook_lib":
            assert set(names) <= set(runbook_lib.__all__) | {"facts", "operations", "books"}
