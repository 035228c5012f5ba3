"""Our notebooks pass the linter, and what is special about this project's own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import InputError
from runbook_lib.execution.catalog import listing, load
from runbook_lib.lint.lint import lint

TOP = Path(__file__).parents[2]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
RUNBOOKS = [path for path in NOTEBOOKS if path.stem != "95_audit"]  # which analyses, and touches no host
EACH_RUNBOOK = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in loaded["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 5


def test_our_notebooks_and_their_parameters_files_have_no_findings() -> None:
    result = lint([TOP / "notebooks"])
    assert [f"{found.place}: {found.rule}: {found.message}" for found in result.findings] == []
    assert list(result.checked) == NOTEBOOKS


@EACH
def test_the_id_of_each_cell_begins_with_the_notebooks_number(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert all(cell["id"].startswith(path.stem[:2] + "-") for cell in loaded["cells"])


@EACH_RUNBOOK
def test_the_parameters_cell_is_the_whole_of_a_run_that_the_model_accepts(path: Path) -> None:
    entry = load(path)
    assert entry.model.model_validate(entry.defaults).runbook == path.stem


@EACH
def test_everything_a_notebook_imports_exists(path: Path) -> None:
    for cell in cells(path):
        if source(cell).startswith("%%"):
            continue  # shell for hosts
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                for item in node.names:
                    found = hasattr(module, item.name) or importlib.util.find_spec(
                        f"{node.module}.{item.name}"
                    )
                    assert found, f"{node.module} has no {item.name}"


@EACH
def test_a_notebook_begins_with_prose_that_names_it(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert loaded["cells"][0]["cell_type"] == "markdown"
    assert source(loaded["cells"][0]).startswith(f"# {path.stem[:2]} ")


@EACH_RUNBOOK
def test_a_notebook_says_what_it_is_for_and_what_it_needs(path: Path) -> None:
    entry = load(path)
    assert entry.model.runbook == entry.name == path.stem
    assert entry.target
    assert entry.risk
    assert set(entry.needs) <= {other.stem for other in NOTEBOOKS}
    assert all(needed < path.stem for needed in entry.needs)


def test_the_catalogue_lists_them_in_order() -> None:
    assert [entry.name for entry in listing().runbooks] == [path.stem for path in RUNBOOKS]


def test_an_analysis_is_listed_apart_and_refused_as_a_runbook() -> None:
    assert list(listing().analyses) == ["95_audit"]
    with pytest.raises(InputError, match="touches no host"):
        load(TOP / "notebooks" / "95_audit.ipynb")
