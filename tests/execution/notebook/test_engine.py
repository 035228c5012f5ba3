"""`papermill --engine runbook` reports how runs ended, by the journal, in its exit code and in the notebook."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.execution.project import OPEN, finish
from tests.plain_papermill import papermill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project
    from tests.programs import Programs

STEP = 'book.step("Fine", Does(("true",)))'
KILL = "import os\nos.kill(os.getpid(), 9)"
DONE, NOT, NEVER = "completed", "failed", "pending"


def test_a_run_that_ends_well_is_a_success_and_its_notebook_is_for_its_owner(project: Project) -> None:
    done = finish(project.papermill(project.notebook(OPEN, STEP, "book.close()")))
    assert done.code == 0, done.output
    assert project.record.status is Status.CHANGED
    assert project.cells() == [DONE] * 5
    assert "notebook_copied" not in {entry["event"] for entry in project.entries()}  # only by hand
    assert project.executed.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in project.place.iterdir()) == [
        "executed.ipynb",
        "inventory.yml",
        "notebooks",
        "runs",
    ]


@pytest.mark.parametrize(
    ("cells", "outcome", "message", "called"),
    [
        (
            (OPEN, KILL, "book.close()"),
            (4, Status.UNKNOWN),
            "no end-of-run line.*[Kk]ernel died",
            [NOT, NEVER],
        ),
        (
            (OPEN, STEP, "import sys\nsys.exit(0)", "book.close()"),
            (4, Status.UNKNOWN),
            r"is unknown: the journal has no end-of-run line: cell \d+ called sys.exit",
            [DONE, NOT, NEVER],
        ),
        (
            (OPEN, STEP),
            (4, Status.UNKNOWN),
            "is unknown: the journal has no end-of-run line: the notebook ended without book.close",
            [DONE],
        ),
        (
            (OPEN, STEP, "nobody_set_this", "book.close()"),
            (1, Status.FAILED),
            "NameError",
            [DONE, NOT, NEVER],
        ),
    ],
    ids=["kernel-killed", "sys-exit-0", "never-closed", "error-between-steps"],
)
def test_what_does_not_end_well_is_no_success(
    project: Project, cells: tuple[str, ...], outcome: tuple[int, Status], message: str, called: list[str]
) -> None:
    code, status = outcome
    done = finish(project.papermill(project.notebook(*cells)))
    assert done.code == code, done.output
    assert re.search(message, done.output)
    assert project.record.status is status
    assert project.cells() == [DONE, DONE, DONE, *called]
    assert "Traceback" not in done.output or status is Status.FAILED


def test_a_run_of_which_every_step_was_skipped_has_its_own_exit_code_and_the_reason(project: Project) -> None:
    path = project.notebook(OPEN, STEP, "book.close()", mode="validate")
    done = finish(project.papermill(path))
    assert done.code == Status.SKIPPED.exit_code, done.output
    assert "is skipped: Every step was skipped: no checks to validate" in done.output
    done = finish(project.runbook_run(path))
    assert done.code == Status.SKIPPED.exit_code, done.output
    assert "is skipped" not in done.output  # the steps have said why


def test_where_last_words_are_lost_the_journal_is_not_believed(project: Project) -> None:
    lose = "path = book.directory / 'journal.jsonl'\nopen(path, 'ab').truncate(path.stat().st_size - 9)"
    done = finish(project.papermill(project.notebook(OPEN, STEP, "book.close()", lose)))
    assert done.code == 4, done.output
    assert "cut off" in done.output


def test_where_the_run_directory_is_gone_each_sentence_is_printed_once_and_in_one_line(
    project: Project,
) -> None:
    lose = "import shutil\nshutil.rmtree(book.directory)"
    done = finish(project.papermill(project.notebook(OPEN, STEP, "book.close()", lose)))
    assert done.code == 4, done.output
    assert done.output.count("is gone: No such file") == 1
    assert "hint:" not in done.output


def test_papermills_own_engine_calls_the_cells_of_a_killed_kernel_completed(project: Project) -> None:
    """The reason for ours. Where this fails papermill has learnt it: then decision 0004 can be shortened."""
    notebook = project.notebook(OPEN, KILL, "book.close()")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(notebook), str(project.executed)]
    done = papermill(command, cwd=project.place, env=project.environment())
    assert done.returncode == 138, done.stderr
    assert project.cells() == [DONE] * 5


def test_a_notebook_that_is_no_runbook_is_executed_as_ever(project: Project) -> None:
    notebook = project.notebook("n = 1", "print(n)", runbook=False)
    done = finish(project.papermill(notebook, "runbook", "-p", "n", "7"))
    assert done.code == 0, done.output
    notebook_json = json.loads(project.executed.read_text(encoding="utf-8"))
    assert notebook_json["cells"][-1]["outputs"][0]["text"] == ["7\n"]
    assert project.cells() == [DONE] * 3
    assert not project.runs.exists()


@pytest.mark.parametrize(
    "first", ["pass", "import sys\nsys.exit(0)", KILL], ids=["never-reached", "sys-exit-0", "kernel-killed"]
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_runbook_that_opens_no_run_is_no_success(project: Project, first: str, *, declared: bool) -> None:
    if declared:
        path = project.notebook(first, f"if False:\n    {OPEN}")
    else:
        never = "from runbook_lib import Runbook\nif False:\n    Runbook.open()"
        values = f"inventory = {str(project.inventory)!r}\nhosts = 'all'"
        path = project.notebook(values, first, never, runbook=False)
    done = finish(project.papermill(path))
    assert done.code == 4, done.output
    assert "the notebook opened no run" in done.output
    assert "Traceback" not in done.output
    assert not project.runs.exists()


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ('port: int = "x"', "default of 'port'"),
        ("import os", "imports 'os'"),
        ("port: Foo = 1", "Foo"),
        ("open: int = 1", "is the name of a Python builtin"),
    ],
    ids=["default", "import", "annotation", "builtin"],
)
def test_a_malformed_parameters_cell_is_bad_input_before_any_cell_runs(
    project: Project, cell: str, says: str
) -> None:
    begun = project.place / "begun"
    opens = f"open({str(begun)!r}, 'w').close()\nfrom runbook_lib import Runbook\nbook = Runbook.open()"
    path = project.notebook(f"inventory = 'inventory.yml'\nhosts = 'all'\n{cell}", opens, runbook=False)
    assert_refused(project, path, says)
    assert not begun.exists()


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("10_two.ipynb", {"tags": True}, "expected one cell tagged 'parameters', found 2"),
        ("a b.ipynb", {"metadata": {}}, "rename the file"),
        ("10_text.ipynb", {"metadata": {"runbook": "x"}}, "not a runbook"),
        ("10_unnamed.ipynb", {"metadata": {}}, "the metadata does not name the model"),
    ],
    ids=["two-cells", "file-name", "metadata", "model-not-named"],
)
def test_a_notebook_that_is_not_a_valid_runbook_is_bad_input(
    project: Project, name: str, change: dict[str, Any], says: str
) -> None:
    content = json.loads(project.notebook(OPEN, STEP, "book.close()").read_text(encoding="utf-8"))
    if "tags" in change:
        content["cells"][1]["metadata"]["tags"] = ["parameters"]
    else:
        del content["metadata"]["runbook"]
        content["metadata"] |= change["metadata"]
        if name == "a b.ipynb":
            content["cells"][2]["source"] = "book = Runbook.open()"
    path = project.place / "notebooks" / name
    path.write_text(json.dumps(content), encoding="utf-8")
    assert_refused(project, path, says)


def assert_refused(project: Project, path: Path, says: str) -> None:
    done = finish(project.papermill(path))
    assert done.code == 2, done.output
    assert says in done.output
    assert "no host was touched" in done.output
    assert "Traceback" not in done.output
    assert not project.runs.exists()


def test_a_runbook_from_standard_input_has_no_file_and_is_checked_all_the_same(
    project: Project, programs: Programs
) -> None:
    path = project.notebook(OPEN, STEP, "book.close()")
    options = ("--no-progress-bar", "--engine", "runbook", "-", str(project.executed))
    for given, code in (((), 0), (("-p", "hosts", "nobody"), 2)):
        with path.open(encoding="utf-8") as source:
            process = programs.start(
                [sys.executable, "-m", "papermill", *options, *given],
                cwd=project.place,
                env=project.environment(),
                stdin=source,
            )
        done = finish(process)
        assert done.code == code, done.output


def test_an_analysis_opens_no_run_and_is_executed_as_ever(project: Project) -> None:
    path = project.notebook("print(f'{1 + 1} runs')")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["runbook"] = {"analysis": "counts runs"}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    done = finish(project.papermill(path))
    assert done.code == 0, done.output


def test_a_killed_kernel_is_noticed_although_the_notebook_cannot_be_saved_meanwhile(project: Project) -> None:
    """A large notebook is saved while its next cells run, at most once in twenty times as long as that takes."""
    folder = project.place / "out"
    folder.mkdir()
    large = "display({'text/plain': 'x' * 2_000_000}, raw=True)"
    move = f"import os, time\nos.rename({str(folder)!r}, {str(folder)!r} + '.moved')\ntime.sleep(5)\n{KILL}"
    notebook = project.notebook(large, "small = 1", move, runbook=False)
    done = finish(
        project.start(
            *("papermill", "--no-progress-bar", "--engine", "runbook"),
            *(str(notebook), str(folder / "executed.ipynb")),
        )
    )
    assert done.code != 0, done.output


def test_a_cell_that_takes_too_long_leaves_a_run_with_last_words(project: Project) -> None:
    notebook = project.notebook(OPEN, STEP, "import time\ntime.sleep(600)", "book.close()")
    timeout = f"{deadline(3.0):.0f}"  # of each cell, also of those that must end in time
    done = finish(project.papermill(notebook, "runbook", "--execution-timeout", timeout))
    assert done.code == 4, done.output
    assert project.record.status is Status.INTERRUPTED
    assert project.cells() == [DONE] * 4 + [NOT, NEVER]


def test_a_flood_from_a_cell_is_whole_on_disk_and_bounded_in_the_notebook(project: Project) -> None:
    flood = "for number in range(20_000):\n    print(f'{number:07}' + 'x' * 992)"
    done = finish(project.papermill(project.notebook(OPEN, flood, STEP, "book.close()")))
    assert done.code == 0, done.output
    (whole,) = (project.run / "output").iterdir()
    lines = whole.read_text(encoding="ascii").splitlines()
    assert [line[:7] for line in lines] == [f"{number:07}" for number in range(20_000)]
    assert whole.stat().st_mode & 0o777 == 0o600
    assert project.executed.stat().st_size < 200_000
    notebook_json = json.loads(project.executed.read_text(encoding="utf-8"))
    (output,) = notebook_json["cells"][3]["outputs"]
    text = "".join(output["text"])
    assert text.startswith("0000000x")
    assert text.endswith("x\n")
    assert "0019999x" in text
    assert f"[truncated; all 20000000 bytes are in output/{whole.name}]" in text
