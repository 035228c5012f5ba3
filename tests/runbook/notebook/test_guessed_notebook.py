"""Under plain papermill, nbclient and nbconvert a runbook has its name from the notebook whose cells run, or none."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.execution.project import TOP
from tests.plain_papermill import papermill

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.ipython_kernel import Kernel

IMPORTS = "from runbook_lib import Runbook\nfrom tests.runbook.practice import Does, Holds"
OPEN = "book = Runbook.open()"
CLOSE = "book.close()"
UNKNOWN = "the kernel does not know the notebook's file"


class Place:
    """A project's directory, with notebooks that begin alike."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.runs = top / "runs"
        (top / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
        (top / "notebooks").mkdir()
        self.parameters = f'inventory = "{top}/inventory.yml"\nhosts = "all"\nruns = "{self.runs}"'

    def changes(self, name: str) -> str:
        return f'book.step("Change {name}", Holds({str(self.top / name)!r}, "changed\\n"))'

    def write(self, path: Path, *cells: str, **metadata: Any) -> Path:  # noqa: ANN401 - JSON
        sources = (self.parameters, IMPORTS, OPEN, *cells)
        made: list[dict[str, Any]] = [
            {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
            for source in sources
        ]
        made[0]["metadata"] = {"tags": ["parameters"]}
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {"cells": made, "metadata": {"kernelspec": kernel, **metadata}}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**content, "nbformat": 4, "nbformat_minor": 4}), encoding="utf-8")
        return path

    def papermill(self, notebook: Path, output: Path) -> subprocess.CompletedProcess[str]:
        """Execute a notebook with papermill's own engine, in this directory."""
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook), str(output)]
        return papermill(command, cwd=self.top, env={**os.environ, "PYTHONPATH": str(TOP)})

    @property
    def run(self) -> Path:
        (run,) = self.runs.iterdir()
        return run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_copy_that_papermill_writes_meanwhile_is_not_a_second_notebook(place: Place) -> None:
    notebook = place.write(place.top / "notebooks" / "okk.ipynb", place.changes("a"), CLOSE)
    done = place.papermill(notebook, place.top / "out.ipynb")
    assert done.returncode == 0, done.stderr
    record = read_journal(place.run)
    assert (record.runbook, record.status) == ("okk", Status.CHANGED)


def test_a_notebook_that_goes_on_otherwise_gets_no_step_under_the_name_of_another(place: Place) -> None:
    place.write(place.top / "notebooks" / "okk.ipynb", place.changes("a"), CLOSE)
    other = place.write(place.top / "else" / "wipe.ipynb", place.changes("b"), CLOSE)
    done = place.papermill(other, place.top / "else" / "out.ipynb")
    assert done.returncode == 1
    assert "the cells that ran are not those of okk.ipynb" in done.stderr
    assert not (place.top / "b").exists()
    assert judged_record(place.run).status is Status.FAILED


class InKernel:
    """A kernel in the directory, to which a program sends the cells."""

    def __init__(self, kernel: Kernel, place: Place) -> None:
        self.kernel = kernel
        self._here = kernel.run(
            f"import os, sys\nos.environ.pop('JPY_SESSION_NAME', None)\nsys.path[:0] = [{str(TOP)!r}]\n"
            f"print(os.getcwd(), end='')\nos.chdir({str(place.top)!r})"
        )
        kernel.run("%reset -f in")

    def leave(self) -> None:
        self.kernel.run(f"import os\nos.chdir({self._here!r})")


@pytest.fixture
def inside(kernel: Kernel, place: Place) -> Any:  # noqa: ANN401 - a generator of InKernel
    made = InKernel(kernel, place)
    yield made
    made.leave()


def test_a_run_that_leaves_steps_out_is_not_that_notebooks(inside: InKernel, place: Place) -> None:
    place.write(place.top / "notebooks" / "okk.ipynb", place.changes("a"), place.changes("b"), CLOSE)
    for cell in (place.parameters, IMPORTS, OPEN, place.changes("a")):
        inside.kernel.run(cell)
    assert "are not those of okk.ipynb" in inside.kernel.fail(CLOSE)
    record = read_journal(place.run)
    assert (record.status, [step.status for step in record.steps]) == (Status.FAILED, [Status.CHANGED])


def test_injected_values_and_magics_are_not_another_notebooks(inside: InKernel, place: Place) -> None:
    cells = ("%time one = 1", "!true", place.changes("a"))
    place.write(place.top / "notebooks" / "okk.ipynb", *cells, CLOSE)
    for cell in (place.parameters, "# Parameters\nhosts = 'host-a'\n", IMPORTS, OPEN, *cells, CLOSE):
        inside.kernel.run(cell)
    assert read_journal(place.run).status is Status.CHANGED


@pytest.mark.parametrize(
    ("name", "metadata", "found"),
    [
        ("old.ipynb", {"papermill": {"output_path": "old.ipynb"}}, True),
        ("okk.nbconvert.ipynb", {}, True),
        ("copy.ipynb", {}, False),
        ("copy.ipynb", {"papermill": {"default_parameters": {}}}, False),
    ],
    ids=["papermills-output", "nbconverts-output", "copy", "copy-with-metadata"],
)
def test_executed_copies_are_left_out(
    inside: InKernel, place: Place, name: str, metadata: dict[str, Any], *, found: bool
) -> None:
    for path in (place.top / "notebooks" / "okk.ipynb", place.top / name):
        place.write(path, CLOSE, **(metadata if path.name == name else {}))
    inside.kernel.run(place.parameters)
    inside.kernel.run(IMPORTS)
    if found:
        inside.kernel.run(OPEN)
        assert read_journal(place.run).runbook == "okk"
    else:
        assert UNKNOWN in inside.kernel.fail(OPEN)


def test_for_a_person_nothing_is_guessed(inside: InKernel, place: Place) -> None:
    place.write(place.top / "notebooks" / "okk.ipynb", CLOSE)
    person = inside.kernel.of_person()
    for cell in (place.parameters, IMPORTS):
        person.run(cell)
    assert UNKNOWN in person.fail(OPEN)
