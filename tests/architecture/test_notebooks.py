"""Committed notebooks are masters: no outputs, one parameters cell, small cells, nothing defined."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import InputError
from runbook_lib.execution.catalog import analyses, load, runbooks

TOP = Path(__file__).parents[2]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
RUNBOOKS = [path for path in NOTEBOOKS if path.stem != "95_audit"]  # which analyses, and touches no host
EACH_RUNBOOK = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
MOST_LINES = 8


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in loaded["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def is_parameters(cell: dict[str, Any]) -> bool:
    return "parameters" in cell["metadata"].get("tags", [])


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 5


@EACH
def test_no_outputs_and_no_counts_are_committed(path: Path) -> None:
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@EACH
def test_the_metadata_is_what_jupyter_would_write_so_that_opening_a_notebook_changes_nothing(
    path: Path,
) -> None:
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    assert metadata["kernelspec"] == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    assert sorted(metadata["language_info"]) == [
        *("codemirror_mode", "file_extension", "mimetype", "name", "nbconvert_exporter"),
        *("pygments_lexer", "version"),
    ]


@EACH
def test_each_cell_has_an_id_of_its_own_that_begins_with_the_notebooks_number(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell["id"] for cell in loaded["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(identifier.startswith(path.stem[:2] + "-") for identifier in ids)
    assert (loaded["nbformat"], loaded["nbformat_minor"]) >= (4, 5)


@EACH
def test_exactly_one_cell_is_tagged_as_parameters_and_it_is_the_first_code(path: Path) -> None:
    assert [is_parameters(cell) for cell in cells(path)] == [True] + [False] * (len(cells(path)) - 1)


@EACH_RUNBOOK
def test_the_parameters_cell_is_the_whole_of_a_run_that_the_model_accepts(path: Path) -> None:
    entry = load(path)
    assert entry.model.model_validate(entry.defaults).runbook == path.stem


@EACH
def test_cells_are_small_and_define_nothing(path: Path) -> None:
    for cell in cells(path):
        text = source(cell)
        tree = ast.parse(text)
        only_imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
        lines = [line for line in text.splitlines() if line.strip()]
        assert is_parameters(cell) or only_imports or len(lines) <= MOST_LINES, cell["id"]
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not [node for node in ast.walk(tree) if isinstance(node, defined)], cell["id"]


@EACH
def test_everything_a_notebook_imports_exists(path: Path) -> None:
    for cell in cells(path):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                for item in node.names:
                    found = hasattr(module, item.name) or importlib.util.find_spec(
                        f"{node.module}.{item.name}"
                    )
                    assert found, f"{node.module} has no {item.name}"


@EACH
def test_no_cell_runs_a_shell_of_its_own(path: Path) -> None:
    for cell in cells(path):
        assert not [line for line in source(cell).splitlines() if line.lstrip().startswith(("!", "%"))]
        assert "subprocess" not in source(cell)
        assert "os.system" not in source(cell)


@EACH
def test_a_notebook_begins_with_prose_that_names_it(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert loaded["cells"][0]["cell_type"] == "markdown"
    assert source(loaded["cells"][0]).startswith(f"# {path.stem[:2]} ")


@EACH_RUNBOOK
def test_a_runbook_ends_by_closing_its_run(path: Path) -> None:
    assert source(cells(path)[-1]) == "book.close()"


@EACH_RUNBOOK
def test_a_notebook_says_what_it_is_for_and_what_it_needs(path: Path) -> None:
    entry = load(path)
    assert entry.model.runbook == entry.name == path.stem
    assert entry.target
    assert entry.risk
    assert set(entry.needs) <= {other.stem for other in NOTEBOOKS}
    assert all(needed < path.stem for needed in entry.needs)


def test_the_catalogue_lists_them_in_order() -> None:
    assert [entry.name for entry in runbooks()] == [path.stem for path in RUNBOOKS]


def test_an_analysis_is_listed_apart_and_refused_as_a_runbook() -> None:
    assert list(analyses()) == ["95_audit"]
    with pytest.raises(InputError, match="touches no host"):
        load(TOP / "notebooks" / "95_audit.ipynb")
