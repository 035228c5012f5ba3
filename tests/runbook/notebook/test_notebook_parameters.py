"""`Runbook.open()` takes the parameters of the notebook that it is called in, wherever the kernel runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.reader import read_journal
from runbook_lib.runbook.notebook.notebook_parameters import collect_parameters, first_heading, runbook_name

if TYPE_CHECKING:
    from tests.ipython_kernel import Kernel

TOP = Path(__file__).parents[3]
IMPORTS = "from runbook_lib import Runbook"
OPEN = "book = Runbook.open()"
SHOW = "print(book.parameters.runbook, book.parameters.title, book.parameters.port, book.parameters.note)"


class Notebooks:
    """A kernel, and a notebook that it may or may not know.

    Args:
        kernel: The kernel.
        place: For the notebook, its inventory and its runs.
    """

    def __init__(self, kernel: Kernel, place: Path) -> None:
        self.kernel = kernel
        self.path = place / "tls-rotation.ipynb"
        self.runs = place / "runs"
        (place / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
        self.common = f'inventory = "{place}/inventory.yml"\nhosts = "all"\nruns = "{self.runs}"\n'
        self.cell = self.common + "port: int = 443  # where\nnote: str | None = None"
        kernel.run(f"import os, sys\nos.environ.pop('JPY_SESSION_NAME', None)\nsys.path[:0] = [{str(TOP)!r}]")
        kernel.run("%reset -f in")

    def save(self, *parameters: str, heading: str = "# Rotate TLS\n\nText.") -> None:
        """Save the notebook, and have the kernel know its path, as Jupyter's server does."""
        cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": heading}]
        cells += [
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}
            for source in parameters
        ]
        cells += [{"cell_type": "code", "metadata": {}, "source": source} for source in (IMPORTS, OPEN)]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        self.path.write_text(json.dumps(content), encoding="utf-8")
        self.kernel.run(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(self.path)!r}")
        self.kernel.run("%reset -f in")

    def opened(self, *cells: str, opens: str = OPEN) -> str:
        for cell in (*cells, IMPORTS, opens):
            self.kernel.run(cell)
        return self.kernel.run(SHOW).strip()

    def refused(self, *cells: str, opens: str = OPEN) -> str:
        for cell in (*cells, IMPORTS):
            self.kernel.run(cell)
        return self.kernel.fail(opens)


@pytest.fixture
def notebooks(kernel: Kernel, tmp_path: Path) -> Notebooks:
    return Notebooks(kernel, tmp_path)


def test_in_jupyterlab_the_saved_cell_gives_types_and_the_file_gives_name_and_title(
    notebooks: Notebooks,
) -> None:
    notebooks.save(notebooks.cell)
    assert notebooks.opened(notebooks.cell) == "tls-rotation Rotate TLS 443 None"
    (run,) = notebooks.runs.iterdir()
    record = read_journal(run)
    assert (record.runbook, record.title, record.parameters["port"]) == ("tls-rotation", "Rotate TLS", 443)


def test_a_value_of_another_type_and_an_unknown_name_are_refused_before_a_run_begins(
    notebooks: Notebooks,
) -> None:
    notebooks.save(notebooks.cell)
    assert "'port': Input should be a valid integer, got 'https'" in notebooks.refused(
        notebooks.cell, "# Parameters\nport = 'https'"
    )
    assert "unknown name 'prt' (did you mean 'port'?)" in notebooks.refused("# Parameters\nport = 1\nprt = 2")
    assert not notebooks.runs.exists()


def test_a_cell_that_was_changed_and_not_saved_counts_as_it_ran(notebooks: Notebooks) -> None:
    notebooks.save(notebooks.cell)
    changed = notebooks.cell.replace("443", "8443") + "\nextra: list[str] = ['a']"
    assert notebooks.opened(changed) == "tls-rotation Rotate TLS 8443 None"
    assert notebooks.kernel.run("print(book.parameters.extra)") == "['a']\n"
    notebooks.kernel.run("found = {'host-a': 1}\nport = 'set by a later cell'")
    assert "valid integer" in notebooks.kernel.fail(OPEN)


def test_without_a_file_the_cells_that_ran_count_and_the_runbook_is_named(notebooks: Notebooks) -> None:
    """As under plain papermill and nbconvert."""
    opens = "book = Runbook.open(name='tls')"
    assert notebooks.opened(notebooks.cell, "# Parameters\nport = 8443", opens=opens) == "tls tls 8443 None"
    notebooks.kernel.run("%reset -f\n%reset -f in")
    assert "unknown name 'prt' (did you mean 'port'?)" in notebooks.refused(
        notebooks.cell, "# Parameters\nprt = 8443", opens=opens
    )
    notebooks.kernel.run("%reset -f\n%reset -f in")
    unnamed = notebooks.refused(notebooks.cell)
    assert "does not know the notebook's file" in unnamed
    assert "Runbook.open(name='tls-rotation')" in unnamed


def test_the_cells_that_ran_name_the_notebook_unless_two_begin_alike(notebooks: Notebooks) -> None:
    """As under plain papermill and nbclient, in the notebook's directory."""
    notebooks.save(notebooks.cell)
    place = notebooks.path.parent
    notebooks.kernel.run(f"del os.environ['JPY_SESSION_NAME']\nhere = os.getcwd(); os.chdir({str(place)!r})")
    try:
        notebooks.kernel.run("%reset -f in")
        assert notebooks.opened(notebooks.cell, "# Parameters\nport = 1") == "tls-rotation Rotate TLS 1 None"
        notebooks.kernel.run("%reset -f in")
        copy = place / "copy.ipynb"
        copy.write_bytes(notebooks.path.read_bytes())
        assert "does not know the notebook's file" in notebooks.refused(notebooks.cell)
        copy.unlink()
        notebooks.kernel.run("%reset -f in")
        assert "does not know" in notebooks.refused(notebooks.cell.replace("443", "80")), "another notebook's"
    finally:
        notebooks.kernel.run("import os; os.chdir(here)")


def test_a_parameter_whose_name_is_imported_over_is_refused(notebooks: Notebooks) -> None:
    cell = notebooks.cell + "\njson = 'a'\nfiles = 'b'"
    notebooks.save(notebooks.common + "port = 1\nfiles = 'b'")
    text = notebooks.refused(
        notebooks.common + "port = 1\nfiles = 'b'", "from runbook_lib.operations import files"
    )
    assert "the variable 'files' is a parameter, and a cell has made it a module" in text
    assert "'json' is a name that parameters have for something else" in notebooks.refused(cell)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([], "expected one cell tagged 'parameters', found 0"),
        (["port = 1", "port = 2"], "expected one cell tagged 'parameters', found 2 (cells 2, 3)"),
    ],
    ids=["none", "two"],
)
def test_a_notebook_with_no_or_two_parameters_cells_is_refused(
    notebooks: Notebooks, cells: list[str], why: str
) -> None:
    notebooks.save(*cells)
    assert why in notebooks.refused(notebooks.cell)


def test_ipython_executes_a_file(notebooks: Notebooks) -> None:
    notebooks.save(notebooks.cell + "\nport2 = 1")
    notebooks.kernel.run("import os\ndel os.environ['JPY_SESSION_NAME']")
    notebooks.kernel.run(f"%run {notebooks.path}")
    assert notebooks.kernel.run(SHOW) == "tls-rotation Rotate TLS 443 None\n"


def test_outside_of_a_notebook_parameters_are_passed() -> None:
    with pytest.raises(ParameterError, match="and there is none") as refused:
        collect_parameters("tls")
    assert "Runbook.open(P(" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "heading"),
    [("# A b\ntext", "A b"), ("text\n\n## C ##", "C"), ("#no heading", ""), ("", "")],
)
def test_the_title_is_the_first_heading(text: str, heading: str) -> None:
    notebook = Notebook(
        "x", [{"cell_type": "code", "source": "# code"}, {"cell_type": "markdown", "source": text}], {}
    )
    assert first_heading(notebook.sources()) == heading


@pytest.mark.parametrize("name", ["a b", "ä", ".hidden", "a$(id)", "-f"])
def test_a_file_whose_name_cannot_be_part_of_a_runs_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="letters, digits"):
        runbook_name(Path(f"{name}.ipynb"))
