"""Work that was refused, and not done, is never green, also where the notebook catches the error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.lookup import read_run
from runbook_lib.execution.step_calls import WITH_HOSTS
from runbook_lib.model.status import Status
from tests.execution.project import OPEN, finish

if TYPE_CHECKING:
    from tests.execution.project import Project

FINE = 'book.step("Fine", Does(("true",)))'
CLOSE = "book.close()"


def caught(code: str) -> str:
    return f"try:\n    {code}\nexcept Exception as problem:\n    print(problem)"


def changes(project: Project, name: str) -> str:
    return f'book.step("Change {name}", Holds({str(project.place / name)!r}, "changed\\n"))'


@dataclass(frozen=True)
class Refused:
    """What a notebook does whose work is refused.

    Args:
        code: It.
        says: What the outcome says of it.
    """

    code: str
    says: str


# A step that is running once `begun` is set, and for as long as the file is there.
LONG = """
import tempfile, threading
begun, held = threading.Event(), tempfile.NamedTemporaryFile()
def waits(host):
    begun.set()
    return Does(("sh", "-c", 'while [ -e "$1" ]; do sleep 0.1; done', "sh", held.name))
def long():
    book.step("Long", waits)
"""
IN_A_THREAD = f"""{LONG}
def intrude():
    begun.wait()
    try:
        book.step("Intrude", Does(("true",)))
    except Exception as problem:
        print(problem)
    held.close()
other = threading.Thread(target=intrude)
other.start()
long()
other.join()"""
CLOSED_MEANWHILE = f"""{LONG}
other = threading.Thread(target=long)
other.start()
begun.wait()
try:
    book.close()
except Exception as problem:
    print(problem)
held.close()
other.join()"""
IN_THE_TRANSACTION_OF_ANOTHER = """
import threading
def intrude():
    try:
        book.step("Intrude", Does(("true",)))
    except Exception as problem:
        print(problem)
with book.transaction("mine"):
    other = threading.Thread(target=intrude)
    other.start()
    other.join()"""

REFUSED = {
    "unknown-host": Refused(
        caught('book.step("On web-9", Does(("true",)), hosts="web-9")'), "step 'On web-9' was"
    ),
    "no-title": Refused(caught('book.step("  ", Does(("true",)))'), "'  ' is not a title of a step"),
    "no-operation": Refused(
        caught('book.step("Two", [Does(("true",)), Does(("true",))])'), "of type list is not an"
    ),
    "missing-argument": Refused(caught('book.step("Half")'), "TypeError"),
    "wrong-size": Refused(
        caught('book.step("Slowly", Does(("true",)), serial="x%")'), "step 'Slowly' was refused"
    ),
    "facts": Refused(caught('book.facts("Of nobody", hosts="nobody")'), "facts 'Of nobody' was refused"),
    "task": Refused(caught('book.task("Do it", Does(("true",)))'), "task 'Do it' was refused"),
    "check": Refused(caught('book.check("Up", lambda host: True, hosts="nobody")'), "check 'Up' was refused"),
    "shell": Refused(caught('book.shell("nobody", "true")'), "shell 'nobody' was refused"),
    "look": Refused(caught('book.look("nobody", "true")'), "look 'nobody' was refused"),
    "transaction": Refused(caught('book.transaction("")'), "transaction '' was refused"),
    "batches": Refused(caught("list(book.batches(first=0))"), "batches was refused"),
    "batches-of-nobody": Refused(
        caught('for batch in book.batches(hosts="nobody"): pass'), "batches 'nobody' was refused"
    ),
    "thread": Refused(IN_A_THREAD, "another thread is in step 'Long'"),
    "closed-by-another-thread": Refused(CLOSED_MEANWHILE, "another thread is in step 'Long'"),
    "transaction-of-another-thread": Refused(IN_THE_TRANSACTION_OF_ANOTHER, "is in transaction 'mine'"),
}


@pytest.mark.parametrize("method", sorted(WITH_HOSTS))
def test_a_refusal_of_each_method_is_tried(method: str) -> None:
    assert [name for name, refused in REFUSED.items() if f"book.{method}(" in refused.code]


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_step_that_the_notebook_swallows_fails_the_run(project: Project, refused: Refused) -> None:
    done = finish(project.runbook_run(project.notebook(OPEN, FINE, refused.code, caught(CLOSE))))
    assert done.code == 1, done.output
    record = project.record
    assert (record.status, record.incomplete) == (Status.FAILED, "")
    assert refused.says in record.message
    assert refused.says in done.output
    assert verify_run(project.run).status == Status.FAILED


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_refused_step_ends_the_run_as_a_failed_one_does(project: Project, on_failure: str) -> None:
    notebook = project.notebook(
        OPEN,
        caught('book.step("On web-9", Does(("true",)), hosts="web-9")'),
        caught(changes(project, "next")),
        caught(CLOSE),
        on_failure=on_failure,
    )
    done = finish(project.runbook_run(notebook))
    assert done.code == 1, done.output
    assert (project.place / "next").exists() is (on_failure == "continue")


def test_after_a_failed_step_nothing_is_sent_any_more_and_no_second_run_begins(project: Project) -> None:
    cells = (
        OPEN,
        caught('book.step("Bad", Does(("false",)))'),
        caught(changes(project, "next")),
        caught(CLOSE),
    )
    done = finish(project.runbook_run(project.notebook(*cells)))
    assert done.code == 1, done.output
    assert not (project.place / "next").exists()
    assert [step.title for step in project.record.steps] == ["Bad"]
    assert "step 'Change next' was refused" in done.output
    assert "of the same notebook" not in done.output


@pytest.mark.parametrize("begun", ["step", "transaction", "batches", "look"])
def test_after_a_closed_run_nothing_is_sent_any_more_and_the_outcome_says_so(
    project: Project, begun: str
) -> None:
    step = changes(project, "next")
    later = {
        "step": step,
        "transaction": f"with book.transaction('t'): {step}",
        "batches": f"for batch in book.batches(): {step}",
        "look": f'book.look("all", "touch {project.place / "next"}")',
    }[begun]
    for process in (project.runbook_run, project.papermill):
        done = finish(process(project.notebook(OPEN, FINE, CLOSE, caught(later))))
        assert done.code == 1, done.output
        assert not (project.place / "next").exists()
        assert "was refused: the run had ended as changed" in done.output
    for run in project.runs.iterdir():
        if (run / "notebook.ipynb").exists():
            assert judged_record(run).status is Status.FAILED
            assert read_run(run / "notebook.ipynb").status is Status.FAILED


def test_a_notebook_that_opens_another_run_may_change_hosts_in_it_and_the_terminal_shows_it(
    project: Project,
) -> None:
    cells = (OPEN, FINE, CLOSE, OPEN, changes(project, "next"), CLOSE)
    done = finish(project.runbook_run(project.notebook(*cells)))
    assert done.code == 0, done.output
    assert (project.place / "next").exists()
    lines = done.output.splitlines()
    assert [line.endswith("host-a     Change next") for line in lines].count(True) == 1
    assert sorted(line for line in lines if line.startswith("  evidence: ")) == [
        f"  evidence: {run}" for run in sorted(project.runs.iterdir())
    ]


def test_each_run_of_a_notebook_is_named_once_where_one_failed(project: Project) -> None:
    bad = caught('book.step("Bad", Does(("false",)))')
    done = finish(project.runbook_run(project.notebook(OPEN, FINE, CLOSE, OPEN, bad, caught(CLOSE))))
    assert done.code == 1, done.output
    (problem,) = [line for line in done.output.splitlines() if line.startswith("  run ")]
    failed = next(run.name for run in project.runs.iterdir() if not judged_record(run).message)
    assert problem == f"  run {failed} is failed"


def test_the_journal_of_steps_begun_in_many_threads_at_once_stays_valid(project: Project) -> None:
    pool = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def one(number):\n"
        "    return book.step(f'Sleep {number}', Does(('sleep', '0.5')))\n"
        "with ThreadPoolExecutor() as threads: list(threads.map(one, range(4)))"
    )
    done = finish(project.runbook_run(project.notebook(OPEN, pool, CLOSE)))
    assert done.code == 1, done.output
    record = project.record
    assert (record.status, record.incomplete) == (Status.FAILED, "")
    lines = [json.loads(line) for line in (project.run / "journal.jsonl").read_text().splitlines()]
    sent = [line["text"] for line in lines if line["event"] == "command_started"]
    assert len(sent) == len(record.steps)
    assert "hint: call steps from one thread" in done.output or "hint: call steps" in record.message


def test_an_error_in_a_cell_waits_for_the_step_of_another_thread(project: Project) -> None:
    cell = (
        "import threading\n"
        "begun = threading.Event()\n"
        "sleeps = lambda host: begun.set() or Does(('sleep', '1'))\n"
        "other = threading.Thread(target=lambda: book.step('Long', sleeps))\n"
        "other.start()\n"
        "begun.wait()\n"
        "1 / 0"
    )
    done = finish(project.runbook_run(project.notebook(OPEN, cell)))
    assert done.code == 1, done.output
    record = project.record
    assert (record.status, record.incomplete) == (Status.FAILED, "")
    assert [step.status for step in record.steps] == [Status.CHANGED]
