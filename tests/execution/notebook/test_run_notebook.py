"""`runbook run` ends as the journal says, whichever process is interrupted or killed meanwhile."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
from typing import TYPE_CHECKING

import nbformat
import pytest

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.layout import NOTEBOOK, STEP_MIME
from runbook_lib.evidence.liveness import Liveness, liveness
from runbook_lib.execution.notebook.run_notebook import run_notebook
from runbook_lib.model.status import Status
from runbook_lib.process_identity import start_ticks
from tests.deadlines import wait_until
from tests.execution.project import OPEN, TOP, Executed, Project, finish, living

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.programs import Programs

SECONDS = f"600.{os.getpid():07}"  # no other process on this machine sleeps as long
WAITS = f"sleep {SECONDS}"


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    left = living(WAITS)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile
            os.kill(pid, signal.SIGKILL)


def waiting(project: Project, *, papermill: bool = False) -> subprocess.Popen[str]:
    """Start a run and wait until the command of its second step runs.

    The journal has the command before there is a process. A signal in between reaches that process, too, before it is
    in a session of its own; then it has ended before anybody can terminate it.
    """
    notebook = project.notebook(
        OPEN,
        'book.step("Fine", Does(("true",)))',
        f'book.step("Wait", Does(("sleep", "{SECONDS}"), timeout=900.0))',
        'book.step("Never", Does(("echo", "never")))',
        "book.close()",
    )
    process = project.papermill(notebook) if papermill else project.runbook_run(notebook)
    project.wait_for(WAITS, process)
    wait_until(lambda: living(WAITS), f"a process {WAITS!r}")
    return process


@pytest.mark.parametrize("ids", [None, "same"], ids=["none", "the-same"])
def test_cells_without_ids_of_their_own_are_nothing_to_complain_of(project: Project, ids: str | None) -> None:
    """As tools write notebooks that know nothing of ids, and as copied cells have them."""
    notebook = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))', "book.close()")
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        cell.update(id=ids)
        if not ids:
            del cell["id"]
    notebook.write_text(json.dumps(content))
    done = finish(project.start("runbook_lib.cli.main", "run", str(notebook)))
    assert done.code == 0, done.output
    assert "Warning" not in done.output
    written = json.loads((project.run / NOTEBOOK).read_text())["cells"]
    assert len({cell["id"] for cell in written}) == len(written) >= 4


@pytest.mark.parametrize(
    ("number", "papermill"),
    [(signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["SIGINT-runbook-run", "SIGTERM-papermill"],
)
def test_a_signal_is_forwarded_journaled_and_ends_the_command_on_the_host(
    project: Project, number: signal.Signals, *, papermill: bool
) -> None:
    process = waiting(project, papermill=papermill)
    process.send_signal(number)
    done = finish(process)
    assert done.code == 4, done.output
    record = project.record
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, "")
    command, ending = record.steps[1].hosts[0].commands
    assert "terminated on the host with TERM: sleep" in command.problem
    assert (ending.kind, ending.exit_code) == ("termination", 0)
    assert living(WAITS) == []
    assert "echo never" not in project.sent()
    assert "Traceback" not in done.output


def test_a_signal_between_two_steps_ends_the_run_too(project: Project) -> None:
    between = project.place / "between"
    notebook = project.notebook(
        OPEN,
        'book.step("Fine", Does(("true",)))',
        f"import pathlib, time\npathlib.Path({str(between)!r}).touch()\ntime.sleep(600)",
        "book.close()",
    )
    process = project.start("runbook_lib.cli.main", "run", str(notebook))
    wait_until(between.exists)
    assert "step_ended" in [entry["event"] for entry in project.entries()]
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert done.code == 4, done.output
    lines = done.output.splitlines()
    assert [
        line for line in lines if line.startswith("SIGTERM received: stopping; ")
    ]  # without a module's name
    assert [line for line in lines if "is interrupted" in line] == [
        f"  run {project.run.name} is interrupted: interrupted between two steps; SIGTERM received"
    ]
    assert (project.record.status, project.record.message) == (
        Status.INTERRUPTED,
        "interrupted between two steps",
    )


def test_an_interrupt_between_a_cells_end_and_the_kernels_answer_ends_the_run(project: Project) -> None:
    """There ipykernel hears it, and answers nothing any more."""
    notebook = project.notebook(
        OPEN,
        "import os, signal\nkernel = get_ipython().kernel\nanswer = kernel.finish_metadata",
        "kernel.finish_metadata = lambda *sent: (os.kill(os.getpid(), signal.SIGINT), answer(*sent))[1]",
        'book.step("Never", Does(("echo", "never")))',
        "book.close()",
    )
    done = finish(project.runbook_run(notebook))
    assert done.code == 4, done.output
    assert (project.record.status, project.record.message) == (
        Status.INTERRUPTED,
        "interrupted between two steps",
    )
    assert "echo never" not in project.sent()
    assert "the kernel was interrupted at the end of a cell" in done.output


def test_a_run_that_cannot_be_followed_any_more_is_interrupted_and_its_end_waited_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = project.notebook(OPEN, f'book.step("Wait", Does(("sleep", "{SECONDS}"), timeout=900.0))')
    monkeypatch.chdir(project.place)
    monkeypatch.setenv("PYTHONPATH", str(TOP))

    def report(entry: dict[str, object]) -> None:
        if entry["event"] == "command_started":
            wait_until(lambda: living(WAITS), f"a process {WAITS!r}")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "fleet.run")

    with pytest.raises(EvidenceError, match="cannot be followed any more: No space left on device"):
        run_notebook(notebook, "10_practice", project.runs, {}, report)
    assert (project.record.status, project.record.incomplete) == (Status.INTERRUPTED, "")
    assert living(WAITS) == []


def test_a_killed_kernel_is_noticed_and_its_run_is_unknown(project: Project) -> None:
    process = waiting(project)
    os.kill(project.kernel(), signal.SIGKILL)
    done = finish(process)
    assert done.code == 4, done.output
    assert project.record.status is Status.UNKNOWN
    assert project.cells(project.run / "notebook.ipynb")[-3:] == ["failed", "pending", "pending"]
    assert liveness(project.record) is Liveness.STALE


def listed(project: Project) -> Executed:
    return finish(project.start("runbook_lib.cli.main", "list"))


def test_a_killed_runner_takes_its_kernel_along_and_leaves_a_stale_run(project: Project) -> None:
    process = waiting(project)
    kernel = project.kernel()
    assert liveness(project.record) is Liveness.RUNNING
    assert "running" in listed(project).output
    process.kill()
    finish(process)
    wait_until(lambda: liveness(project.record) is Liveness.STALE)
    assert start_ticks(kernel) == 0
    assert project.record.status is Status.UNKNOWN
    assert "echo never" not in project.sent()
    assert read_lines((project.run / "journal.jsonl").read_bytes()).problem == ""
    assert "stale" in listed(project).output


def test_runner_and_kernel_killed_at_once_leave_a_stale_run(project: Project) -> None:
    process = waiting(project)
    kernel = project.kernel()
    process.kill()
    with contextlib.suppress(ProcessLookupError):  # its own fork server may have been faster
        os.kill(kernel, signal.SIGKILL)
    finish(process)
    wait_until(lambda: liveness(project.record) is Liveness.STALE)
    assert project.record.status is Status.UNKNOWN


def test_a_kernel_whose_runner_died_sends_no_further_command_without_a_word(project: Project) -> None:
    """Many short commands, so that the kernel is between two of them when its runner dies."""
    notebook = project.notebook(
        OPEN, 'for number in range(10_000):\n    book.step("Short", Does(("true",)))', "book.close()"
    )
    process = project.runbook_run(notebook)
    wait_until(lambda: len(project.sent()) > 3)
    process.kill()
    process.wait()
    after = len(project.sent())
    wait_until(lambda: liveness(project.record) is not Liveness.RUNNING)
    finish(process)
    # One may have been on its way from the check to the journal.
    assert len(project.sent()) <= after + 2
    assert project.record.status in {Status.UNKNOWN, Status.INTERRUPTED}
    if project.record.status is Status.INTERRUPTED:
        assert "runner_gone" in [entry["event"] for entry in project.entries()]


@pytest.mark.parametrize("kept", [{}, {"language_info": {"name": "python"}}])
def test_a_notebook_that_names_no_kernel_runs_in_pythons(project: Project, kept: dict[str, object]) -> None:
    notebook = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))', "book.close()")
    content = json.loads(notebook.read_text(encoding="utf-8"))
    del content["metadata"]["kernelspec"]
    content["metadata"] |= kept
    notebook.write_text(json.dumps(content), encoding="utf-8")
    done = finish(project.runbook_run(notebook))
    assert done.code == 0, done.output
    assert project.record.status is Status.CHANGED


@pytest.mark.parametrize("last", ["book.close()", "book.close()\nraise ValueError('after the end')"])
def test_the_executed_notebook_is_as_nbformat_writes_it(project: Project, last: str) -> None:
    """Whatever of it is kept packed meanwhile; a later cell may update what an earlier one shows."""
    notebook = project.notebook(
        OPEN,
        'shown = display({"text/plain": "before"}, raw=True, display_id="shown")',
        'print("one\\ntwo")\n"a value"',
        'book.step("Fine", Does(("true",)))',
        'shown.update({"text/plain": "after"}, raw=True)',
        last,
    )
    done = finish(project.runbook_run(notebook))
    assert (done.code == 0) == (last == "book.close()"), done.output
    text = (project.run / NOTEBOOK).read_text(encoding="utf-8")
    executed = nbformat.reads(text, 4)  # type: ignore[no-untyped-call]
    assert text == nbformat.writes(executed)  # type: ignore[no-untyped-call]
    cells = {cell.source: cell.get("outputs", []) for cell in executed.cells if cell.cell_type == "code"}
    display, values, step = (
        next(cells[source] for source in cells if text in source) for text in ("before", "a value", "Fine")
    )
    assert [output.data["text/plain"] for output in display] == ["after"]
    assert [output.get("text") or output.data["text/plain"] for output in values] == [
        "one\ntwo\n",
        "'a value'",
    ]
    assert [output.data[STEP_MIME]["title"] for output in step] == ["Fine"]
    assert ("error" in [output.output_type for output in [*cells.values()][-1]]) == (last != "book.close()")


@pytest.mark.parametrize("papermill", [False, True], ids=["runbook-run", "papermill"])
def test_a_kernel_that_is_not_installed_is_refused_before_any_host_is_touched(
    project: Project, *, papermill: bool
) -> None:
    path = project.notebook(OPEN, "book.close()")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"]["kernelspec"]["name"] = "python33"
    path.write_text(json.dumps(content), encoding="utf-8")
    done = finish(project.papermill(path) if papermill else project.runbook_run(path))
    assert done.code == 2, done.output
    assert "no kernel named 'python33' is installed" in done.output
    assert "did you mean python3?" in done.output
    assert "Traceback" not in done.output
    assert not project.runs.exists()


def test_a_kernel_that_is_chosen_on_the_command_line_is_the_one_that_is_checked(project: Project) -> None:
    path = project.notebook(OPEN, 'book.step("Fine", Does(("true",)))', "book.close()")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"]["kernelspec"]["name"] = "of-another-machine"
    path.write_text(json.dumps(content), encoding="utf-8")
    done = finish(project.papermill(path, "runbook", "-k", "python3"))
    assert done.code == 0, done.output


def test_braces_in_a_path_are_nothing_special(project: Project, programs: Programs) -> None:
    top = project.place / "{hosts} {0} {"
    top.mkdir()
    inside = Project(top, project.temporary, programs)
    done = finish(
        inside.runbook_run(inside.notebook(OPEN, 'book.step("Fine", Does(("true",)))', "book.close()"))
    )
    assert done.code == 0, done.output
    assert (inside.run / NOTEBOOK).exists()
