"""An execution by our engine leaves papermill as it was, and writes where papermill would write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nbformat import read, write
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import papermill_io

from runbook_lib.execution.notebook.atomic_save import saved_atomically
from tests.deadlines import deadline
from tests.execution.project import OPEN, TOP

if TYPE_CHECKING:
    from tests.execution.project import Project

OWN_ENGINE = ["killed"]  # a kernel that dies and had no run: papermill's business, and it fails there too


def notebook(path: Path, *cells: str) -> Path:
    made = new_notebook(cells=[new_code_cell(source) for source in cells])  # type: ignore[no-untyped-call]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    write(made, path)  # type: ignore[no-untyped-call]
    return path


def statuses(path: Path) -> list[str]:
    executed = read(path, as_version=4)  # type: ignore[no-untyped-call]
    return [cell.metadata.papermill.status for cell in executed.cells if "papermill" in cell.metadata]


def test_nothing_of_papermills_is_changed_beyond_one_execution(project: Project) -> None:
    place = project.place
    first, second = place / "first", place / "second"
    first.mkdir()
    second.mkdir()
    notebook(place / "good.ipynb", "1 + 1")
    notebook(place / "bad.ipynb", "1 / 0", "2")
    notebook(place / "dead.ipynb", "import sys\nsys.exit(3)", "2")
    process = project.start("tests.execution.notebook.papermill_state", str(place))
    output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 0, output
    found = json.loads(output.splitlines()[-1])
    assert found["changed"] == {name: [] for name in found["ends"]}
    assert found["ends"] == {
        "first": "ended",
        "second": "ended",
        "raises": "PapermillExecutionError",
        "killed": "PapermillExecutionError",
        "unsaved": "ended",
        "nowhere": "ended",
        "prefix": "ended",
        "papermill": "ended",
    }
    assert sorted(path.name for path in first.iterdir()) == ["out.ipynb"]
    assert sorted(path.name for path in second.iterdir()) == [
        "killed.ipynb",
        "out.ipynb",
        "out.ipynb.ipynb",
        "raises.ipynb",
        "unsaved.ipynb",
    ]
    assert statuses(first / "out.ipynb") == ["completed"]
    assert (first / "out.ipynb").stat().st_mode & 0o777 == 0o600
    assert (second / "out.ipynb").stat().st_mode & 0o777 != 0o600  # papermill's own engine again


@pytest.mark.parametrize("how", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link", "-", "pipe"])
def test_standard_output_is_written_as_papermill_writes_it(
    tmp_path: Path, how: str, *, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a kernel: what the engine and papermill write, in their order, at the place of standard output."""
    del capfd  # so that file descriptor 1 is a file or a pipe of this test's own
    link = tmp_path / "link"
    link.symlink_to("/dev/stdout")
    target = str(link) if how == "link" else "/dev/stdout" if how == "pipe" else how
    code = f"""
import os, sys
from papermill.iorw import papermill_io
from runbook_lib.execution.notebook.atomic_save import saved_atomically
with saved_atomically({target!r}):
    if {target!r} != "-":
        papermill_io.write("pending, and longer than that", {target!r}, None)
papermill_io.write("completed", {target!r}, None)
"""
    output = tmp_path / "output"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    if how == "pipe":
        done = subprocess.run(command, env=environment, check=True, capture_output=True)
        output.write_bytes(done.stdout)
    else:
        with output.open("wb") as file:
            subprocess.run(command, env=environment, check=True, stdout=file)
    assert output.read_text(encoding="utf-8").endswith("completed")
    if how != "pipe":  # what was written to a pipe cannot be taken back
        assert output.read_text(encoding="utf-8") == "completed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "output"]


def test_a_run_that_failed_without_an_error_in_a_cell_is_written_to_standard_output_too(
    project: Project,
) -> None:
    never_closed = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))')
    process = project.start("papermill", "--engine", "runbook", str(never_closed), "-")
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 4, output
    written = json.loads(output[output.index("{\n") : output.rindex("}\n") + 1])
    assert len(written["cells"]) == 4
    assert written["cells"][-1]["outputs"]


def test_a_handler_that_papermill_never_used_again_lets_the_next_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(papermill_io._handlers)
    local = papermill_io.get_handler("local")
    local.cwd(str(tmp_path))  # as during an execution by papermill, which fails before its last write
    with saved_atomically("out.ipynb"):
        papermill_io.write("by the engine", "out.ipynb")
        papermill_io.write("another file", "out.ipynb.ipynb")
    local.cwd(None)
    assert len(papermill_io._handlers) == len(before) + 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    papermill_io.write("by papermill", "out.ipynb")
    assert papermill_io._handlers == before
    assert (elsewhere / "out.ipynb").read_text(encoding="utf-8") == "by papermill"
    assert (tmp_path / "out.ipynb").read_text(encoding="utf-8") == "by the engine"
    assert (tmp_path / "out.ipynb.ipynb").stat().st_mode & 0o777 != 0o600
