"""Work that failed or never ran is never green: not in an exit code, a report, a seal, nor in a verdict."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from nbformat import read, write

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.lookup import read_run
from runbook_lib.model.status import Status
from tests.execution.project import OPEN, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project

STEP = 'book.step("Fine", Does(("true",)))'
LATER = 'book.step("Later", Does(("true",)))'
CLOSE = "book.close()"
AFTER = f"{OPEN}\n{STEP}\n{CLOSE}"


BY_A_SCRIPT = '''import subprocess, sys
script = f"""
from runbook_lib import Runbook
from tests.runbook.practice import Does, Practice
book = Runbook.open(Practice(inventory={inventory!r}, hosts="all", runs={runs!r}))
book.step("Bad", Does(("false",)))
"""
code = subprocess.run([sys.executable, "-c", script], capture_output=True).returncode'''


@dataclass(frozen=True)
class End:
    """A notebook that did not end well.

    Args:
        cells: After the parameters and the imports.
        code: The exit code of `runbook run`.
        tags: Of cells, by their position among `cells`.
    """

    cells: tuple[str, ...]
    code: int
    tags: tuple[tuple[int, str], ...] = ()


ENDS = {
    "a-cell-raises-after-close": End((OPEN, STEP, CLOSE, "raise ValueError('after')"), 1),
    "an-assertion-fails-after-close": End((OPEN, STEP, CLOSE, "assert 1 == 2"), 1),
    "a-handler-of-its-own-shows-what-was-raised-after-close": End(
        (f"get_ipython().set_custom_exc((Exception,), lambda *_: print('oh'))\n{AFTER}", "assert 1 == 2"), 1
    ),
    "another-program-prints-tracebacks": End(
        (f"get_ipython().showtraceback = lambda *_, **_more: print('oh')\n{AFTER}", "assert 1 == 2"), 1
    ),
    "a-hook-clears-the-output-of-a-cell-that-raised": End(
        (
            AFTER,
            (
                "from IPython.display import clear_output\n"
                "get_ipython().events.register('post_run_cell', lambda _: clear_output())\nassert 1 == 2"
            ),
        ),
        1,
    ),
    "a-tolerated-exception-is-hidden": End(
        (f"get_ipython().showtraceback = lambda *_, **_more: None\n{AFTER}", "1 / 0", "print('on')"),
        1,
        ((1, "raises-exception"),),
    ),
    "the-last-cell-exits-with-3": End((OPEN, STEP, CLOSE, "import sys\nsys.exit(3)"), 1),
    "a-cell-leaves-early-and-the-proof-never-runs": End(
        (OPEN, STEP, CLOSE, "import sys\nsys.exit(0)", "1 / 0"), 4
    ),
    "the-kernel-is-killed-after-close": End(
        (OPEN, STEP, CLOSE, "import os\nos.kill(os.getpid(), 9)", STEP), 4
    ),
    "the-kernel-is-killed-in-the-last-cell": End(
        (OPEN, STEP, f"{CLOSE}\nimport os\nos.kill(os.getpid(), 9)"), 4
    ),
    "os-exit-0-in-the-last-cell": End((OPEN, STEP, f"{CLOSE}\nimport os\nos._exit(0)"), 4),
    "a-second-run-fails": End(
        (AFTER, f'{OPEN}\ntry:\n    book.step("Bad", Does(("false",)))\nexcept Exception:\n    pass'), 1
    ),
    "a-second-run-fails-in-a-captured-cell": End(
        (
            AFTER,
            f'%%capture\n{OPEN}\ntry:\n    book.step("Bad", Does(("false",)))\nexcept Exception:\n    pass',
        ),
        1,
    ),
    "a-second-run-in-a-captured-cell-is-never-closed": End((AFTER, f"%%capture\n{OPEN}\n{STEP}"), 4),
    "a-script-makes-a-second-run-that-fails": End((AFTER, BY_A_SCRIPT), 1),
    "a-second-run-is-never-closed": End((AFTER, OPEN, STEP), 4),
    "the-first-run-is-never-closed": End((f"first = {OPEN.removeprefix('book = ')}", AFTER), 4),
    "a-tolerated-exception-and-a-second-close": End((OPEN, "1 / 0", CLOSE), 1, ((1, "raises-exception"),)),
    "a-caught-failure-repeated-under-its-title": End(
        (OPEN, 'try:\n    book.step("Fine", Does(("false",)))\nexcept Exception:\n    pass', STEP, CLOSE), 1
    ),
    "the-journal-is-replaced-by-an-older-one": End(
        (
            AFTER,
            (
                f"older = book.directory\n{OPEN}\n"
                'try:\n    book.step("Bad", Does(("false",)))\nexcept Exception:\n    pass'
            ),
            "import shutil\nshutil.copy(older / 'journal.jsonl', book.directory / 'journal.jsonl')",
        ),
        4,
    ),
    "the-journal-is-removed": End((OPEN, STEP, CLOSE, "(book.directory / 'journal.jsonl').unlink()"), 4),
}
EACH = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())


def written(project: Project, end: End) -> Path:
    path = project.notebook(*end.cells)
    if end.tags:
        notebook: Any = read(path, as_version=4)  # type: ignore[no-untyped-call]
        for position, tag in end.tags:
            notebook.cells[2 + position].metadata["tags"] = [tag]
        write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def result_of(directory: Path) -> str:
    """What the seal says; empty without one."""
    path = directory / "attestation.json"
    if not path.exists():
        return ""
    import base64  # noqa: PLC0415 - only here

    statement = json.loads(base64.b64decode(json.loads(path.read_text(encoding="utf-8"))["payload"]))
    return str(statement["predicate"]["result"])


def green(junit: Path) -> bool:
    root = ET.fromstring(junit.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    return not list(root.iter("failure")) and not list(root.iter("error"))


@EACH
def test_runbook_run_reports_seals_and_verifies_what_came_of_it(project: Project, end: End) -> None:
    done = finish(project.runbook_run(written(project, end)))
    assert done.code == end.code, done.output
    assert "Traceback" not in done.output
    for directory in project.runs.iterdir():
        assert result_of(directory) not in {"PASSED", "WARNED"}
        assert not read_run(directory / "notebook.ipynb").status.is_success  # also apart from its journal
        if not (directory / "journal.jsonl").exists():
            continue
        record = judged_record(directory)
        assert not record.status.is_success
        assert read_run(directory) == record
        assert Status(verify_run(directory).status) is record.status
        assert not green(directory / "junit.xml")


@EACH
def test_papermill_with_our_engine_agrees(project: Project, end: End) -> None:
    done = finish(project.papermill(written(project, end)))
    assert done.code != 0, done.output


def test_a_cell_that_is_to_be_skipped_is_refused_before_any_host_is_touched(project: Project) -> None:
    path = written(project, End((OPEN, STEP, "1 / 0", CLOSE), 2, ((2, "skip-execution"),)))
    for process in (project.runbook_run(path), project.papermill(path)):
        done = finish(process)
        assert done.code == 2, done.output
        assert "skip-execution" in done.output
        assert "Traceback" not in done.output
    assert not project.runs.exists()


def test_a_cell_that_is_not_python_is_refused_before_any_host_is_touched(project: Project) -> None:
    path = written(project, End((OPEN, STEP, "if True:\n    print(1", CLOSE), 2))
    for process in (project.runbook_run(path), project.papermill(path)):
        done = finish(process)
        assert done.code == 2, done.output
        assert "10_practice.ipynb, cell 5, line 2: not valid Python: '(' was never closed" in done.output
        assert "Traceback" not in done.output
    assert not project.runs.exists()


def test_a_cell_that_another_python_refuses_ends_the_run_as_failed(project: Project, tmp_path: Path) -> None:
    spec = tmp_path / "kernels" / "other" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = ["/usr/bin/env", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Other", "language": "python"}))
    path = written(project, End((OPEN, STEP, "one = = 1", CLOSE), 1))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"]["kernelspec"]["name"] = "other"
    path.write_text(json.dumps(content), encoding="utf-8")
    done = finish(project.runbook_run(path, JUPYTER_PATH=str(tmp_path)))
    assert done.code == 1, done.output
    record = read_run(project.run)
    assert record.status is Status.FAILED
    assert "SyntaxError" in record.message
    assert not green(project.run / "junit.xml")


def test_a_good_notebook_is_green_everywhere(project: Project) -> None:
    done = finish(project.runbook_run(project.notebook(OPEN, STEP, CLOSE, "1 + 1")))
    assert done.code == 0, done.output
    record = judged_record(project.run)
    assert record.status is Status.CHANGED
    assert result_of(project.run) == "PASSED"
    assert green(project.run / "junit.xml")
    assert verify_run(project.run).status == Status.CHANGED


def test_two_good_runs_in_one_notebook_are_both_sealed_and_reported(project: Project) -> None:
    done = finish(project.runbook_run(project.notebook(AFTER, AFTER)))
    assert done.code == 0, done.output
    directories = sorted(project.runs.iterdir())
    assert len(directories) == 2
    for directory in directories:
        assert result_of(directory) == "PASSED"
        assert green(directory / "junit.xml")
        assert (directory / "notebook.ipynb").exists()
        assert not [finding for finding in verify_run(directory).findings if finding.kind == "altered"]


@pytest.mark.parametrize(
    ("leaving", "kernels"),
    [
        (f"exit()\n{LATER}", "warm"),
        (f"exit()\n{LATER}", "cold"),
        ("exit", "warm"),
        (f"if True:\n    quit(keep_kernel=True)\n{LATER}", "warm"),
        (f"def leave():\n    quit()\ntry:\n    leave()\nexcept Exception:\n    pass\n{LATER}", "warm"),
    ],
)
def test_a_cell_that_exits_ends_the_notebook_there(project: Project, leaving: str, kernels: str) -> None:
    path = project.notebook(OPEN, STEP, leaving, LATER, CLOSE)
    done = finish(project.start("runbook_lib.cli.main", "run", "--kernels", kernels, str(path)))
    assert done.code == 4, done.output
    assert [step.title for step in read_run(project.run).steps] == ["Fine"]
    assert not read_run(project.run).status.is_success


def test_a_notebook_may_exit_in_its_last_cell(project: Project) -> None:
    done = finish(project.runbook_run(project.notebook(OPEN, STEP, CLOSE, "exit()")))
    assert done.code == 0, done.output


@pytest.mark.parametrize("closed", [False, True], ids=["before-close", "after-close"])
def test_a_forked_child_runs_no_step_and_ends_and_the_outcome_says_so(project: Project, closed: bool) -> None:  # noqa: FBT001 - a case
    fork = (
        "import os\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    try:\n        {STEP}\n    finally:\n        os._exit(0)\n"
        "os.waitpid(child, 0)"
    )
    cells = (CLOSE, fork) if closed else (fork, CLOSE)
    done = finish(project.runbook_run(project.notebook(OPEN, STEP, *cells)))
    assert done.code == 1, done.output
    assert "step 'Fine' was refused: a forked process must not run steps" in done.output
    assert judged_record(project.run).status is Status.FAILED
    assert [step.number for step in read_run(project.run).steps] == [1]
