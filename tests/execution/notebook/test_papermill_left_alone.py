"""An execution by our engine leaves papermill as it was, and writes where papermill would write."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from nbformat import read, write
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import papermill_io

from runbook_lib.execution.notebook.atomic_save import saved_atomically
from tests.deadlines import deadline
from tests.execution.project import OPEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project


def handlers() -> list[object]:
    return [*vars(papermill_io)["_handlers"]]


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
    notebook(place / "dead.ipynb", "import os\nos.kill(os.getpid(), 9)", "2")
    process = project.start("tests.execution.notebook.papermill_state", str(place))
    output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 0, output
    found = json.loads(output.splitlines()[-1])
    assert found["changed"] == {name: [] for name in found["ends"]}
    assert found["ends"] == {
        "first": "ended",
        "second": "ended",
        "raises": "PapermillExecutionError",
        "killed": "DeadKernelError",
        "papermill": "ended",
    }
    assert sorted(path.name for path in first.iterdir()) == ["out.ipynb"]
    assert sorted(path.name for path in second.iterdir()) == [
        "killed.ipynb",
        "out.ipynb",
        "raises.ipynb",
    ]
    assert statuses(first / "out.ipynb") == ["completed"]
    assert (first / "out.ipynb").stat().st_mode & 0o777 == 0o600
    assert (second / "out.ipynb").stat().st_mode & 0o777 != 0o600  # papermill's own engine again


@pytest.mark.parametrize("how", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}", "link"])
def test_an_open_file_is_written_not_replaced(tmp_path: Path, how: str) -> None:
    """As standard output is, with `papermill in.ipynb /dev/stdout > output`."""
    with (tmp_path / "output").open("wb") as file:
        target = how.format(file.fileno())
        if how == "link":
            target = str(tmp_path / "link")
            (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        with saved_atomically(target):
            papermill_io.write("pending, and longer than the last one", target, None)
        papermill_io.write("completed", target, None)
        (tmp_path / "link").unlink(missing_ok=True)
    assert (tmp_path / "output").read_text(encoding="utf-8") == "completed"
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_a_pipe_is_written(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    target = f"/dev/fd/{writer}"
    with saved_atomically(target):
        papermill_io.write("pending ", target, None)
    papermill_io.write("completed", target, None)
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        assert pipe.read() == b"pending completed"
    assert not [*tmp_path.iterdir()]


def test_a_run_that_failed_without_an_error_in_a_cell_is_written_to_standard_output_too(
    project: Project,
) -> None:
    never_closed = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))')
    process = project.start("papermill", "--engine", "runbook", str(never_closed), "-")
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 4, output
    written, _ = json.JSONDecoder().raw_decode(output[output.index("{\n") :])
    assert len(written["cells"]) == 4
    assert written["cells"][-1]["outputs"]


def test_a_handler_that_papermill_never_used_again_lets_the_next_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = handlers()
    local = papermill_io.get_handler("local")
    local.cwd(str(tmp_path))  # as during an execution by papermill, which fails before its last write
    with saved_atomically("out.ipynb"):
        papermill_io.write("by the engine", "out.ipynb")
        papermill_io.write("another file", "out.ipynb.ipynb")
    local.cwd(None)
    assert len(handlers()) == len(before) + 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    papermill_io.write("by papermill", "out.ipynb")
    assert handlers() == before
    assert (elsewhere / "out.ipynb").read_text(encoding="utf-8") == "by papermill"
    assert (tmp_path / "out.ipynb").read_text(encoding="utf-8") == "by the engine"
    assert (tmp_path / "out.ipynb.ipynb").stat().st_mode & 0o777 != 0o600
