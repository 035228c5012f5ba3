"""Random notebooks, run for real: all reports on them agree, and none is green where a step did not happen.

They are run as by `runbook run`: planned, executed by our engine in kernels of their own, judged, reported, sealed.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example
from hypothesis import strategies as st
from nbformat import read, write
from nbformat.v4 import new_markdown_cell

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.cli.run_jobs import run_in_turn
from runbook_lib.errors import InputError
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.lookup import read_run
from runbook_lib.execution.fleet.job_graph import plan_run
from runbook_lib.execution.fleet.request import RunRequest
from runbook_lib.execution.notebook.outcome import exit_code_of_all
from runbook_lib.execution.warm_kernels.lifetime import fork_server
from runbook_lib.model.status import Status
from tests.execution.project import OPEN, Project
from tests.fuzz.harness import fuzzed
from tests.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.records import RunRecord


@dataclass(frozen=True)
class Part:
    """A cell.

    Args:
        source: Python; `{n}` is the cell's number.
        bad: Whether a notebook with such a cell must never be green.
        tag: Of the cell.
        markdown: Whether it is prose.
        steps: How many steps of the run it makes.
    """

    source: str
    bad: bool = False
    tag: str = ""
    markdown: bool = False
    steps: int = 0


_STEP = 'book.step("Step {n}", Does(("sh", "-c", "echo {n} >> {done}")))'
PARTS = {
    "good": Part(_STEP, steps=1),
    "two": Part(f"{_STEP}\n{_STEP.replace('Step', 'Other')}", steps=2),
    "open": Part(OPEN),
    "close": Part("book.close()"),
    "empty": Part(" \n"),
    "comment": Part("# nothing"),
    "prose": Part("Some *words*.", markdown=True),
    "value": Part("1 + {n}"),
    "fails": Part('book.step("Bad {n}", Does(("false",)))', bad=True),
    "caught": Part('try:\n    book.step("Bad {n}", Does(("false",)))\nexcept Exception:\n    pass', bad=True),
    "refused": Part('try:\n    book.step("No {n}", Refuses())\nexcept Exception:\n    pass', bad=True),
    "raises": Part('raise ValueError("cell {n}")', bad=True),
    "tolerated": Part("1 / 0", bad=True, tag="raises-exception"),
    "other tag": Part("1 + 1", tag="remove-input"),
    "syntax": Part("this cannot be Python", bad=True),
    "exits 0": Part("import sys\nsys.exit(0)"),
    "exits 3": Part("import sys\nsys.exit(3)", bad=True),
    "interrupts": Part("raise KeyboardInterrupt", bad=True),
    "ends": Part("import os\nos._exit(0)", bad=True),
    "is killed": Part("import os\nos.kill(os.getpid(), 9)", bad=True),
    "forks": Part(
        "import os\nchild = os.fork()\nif child == 0:\n    try:\n"
        '        book.step("Child {n}", Does(("true",)))\n    finally:\n        os._exit(0)\nos.waitpid(child, 0)'
    ),
    "removes the journal": Part("(book.directory / 'journal.jsonl').unlink(missing_ok=True)", bad=True),
    "is skipped": Part("1 / 0", bad=True, tag="skip-execution"),
}
GOOD = ["good", "two", "empty", "comment", "prose", "value", "other tag"]
NOTEBOOKS = st.one_of(
    st.lists(st.sampled_from(GOOD), max_size=5).map(lambda names: ["open", *names, "close"]),
    st.lists(st.sampled_from(sorted(PARTS)), max_size=5).map(lambda names: ["open", *names, "close"]),
    st.lists(st.sampled_from(sorted(PARTS)), max_size=4).map(lambda names: ["open", "good", "close", *names]),
    st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=5),
)
_IMPORTS = "from runbook_lib import Runbook\nfrom tests.runbook.practice import Does, Practice, Refuses"


@pytest.fixture(scope="module")
def kernels_forked() -> Iterator[None]:
    with fork_server("warm"):
        yield


def written(place: Path, names: list[str], mode: str) -> Path:
    project = Project(place, place, Programs())
    parts = [PARTS[name] for name in names]
    done = str(place / "done")
    sources = [
        part.source.replace("{n}", str(number)).replace("{done}", done) for number, part in enumerate(parts)
    ]
    path = project.notebook(*sources, imports=_IMPORTS, mode=mode)
    notebook: Any = read(path, as_version=4)  # type: ignore[no-untyped-call]
    for cell, part in zip(notebook.cells[2:], parts, strict=True):
        cell.metadata["tags"] = [part.tag] if part.tag else []
    notebook.cells[2:] = [
        new_markdown_cell(cell.source) if part.markdown else cell  # type: ignore[no-untyped-call]
        for cell, part in zip(notebook.cells[2:], parts, strict=True)
    ]
    write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def is_proven(names: list[str], mode: str) -> bool:
    """Return whether all that the notebook promises happens: by what its cells are, without running them."""
    if any(PARTS[name].bad for name in names) or mode == "validate":
        return False
    opened, steps = False, 0
    for position, name in enumerate(names):
        if name == "exits 0" and position != len(names) - 1 and _runs_code(names[position + 1 :]):
            return False
        if name == "open":
            if opened or (steps == 0 and "open" in names[:position]):
                return False
            opened, steps = True, 0
        elif name == "close":
            if not opened or not steps:
                return False
            opened = False
        elif PARTS[name].steps or name == "forks":
            if not opened:
                return False
            steps += PARTS[name].steps
    return "open" in names and not opened


def _runs_code(names: list[str]) -> bool:
    return any(PARTS[name].source.strip() and not PARTS[name].markdown for name in names)


def is_green(record: RunRecord) -> bool:
    return record.status.is_success


def check_run(directory: Path, *, green: bool) -> None:
    """Check that all that is said of one run is the same."""
    junit, seal = directory / "junit.xml", directory / "attestation.json"
    result = ""
    if seal.exists():
        statement = json.loads(base64.b64decode(json.loads(seal.read_bytes())["payload"]))
        result = str(statement["predicate"]["result"])
    if not (directory / "journal.jsonl").exists():
        assert not green
        assert result not in {"PASSED", "WARNED"}
        return
    record = judged_record(directory)
    assert is_green(record) == green, record
    assert read_run(directory) == record
    verdict = verify_run(directory)
    assert Status(verdict.status) is record.status
    # A run that skipped everything is sealed as WARNED, and its exit code is not 0.
    warned = record.status in {Status.PLANNED, Status.SKIPPED}
    assert result in ({"PASSED", "WARNED"} if green else {"WARNED"} if warned else {"", "FAILED"}), record
    assert not (warned and result == "PASSED")
    if junit.exists():
        suite = ET.fromstring(junit.read_bytes())  # noqa: S314 - our own file
        failing = [*suite.iter("failure"), *suite.iter("error")]
        assert (not failing) == (green or record.status is Status.SKIPPED)
    if green:
        assert junit.exists()
        assert not [finding for finding in verdict.findings if finding.kind is Kind.ALTERED], verdict.findings


@fuzzed(5, names=NOTEBOOKS, mode=st.sampled_from(["apply", "apply", "apply", "plan", "validate"]))
@example(names=["open", "good", "close", "open", "two", "close", "exits 0"], mode="apply")
@example(names=["open", "good", "close", "good"], mode="apply")
@pytest.mark.usefixtures("kernels_forked")
def test_all_that_is_said_of_a_notebook_is_the_same(names: list[str], mode: str) -> None:
    place = Path(tempfile.mkdtemp(prefix="rf-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            _check(place, names, mode)
    finally:
        shutil.rmtree(place)


def _check(place: Path, names: list[str], mode: str) -> None:
    path = written(place, names, mode)
    try:
        graph = plan_run(RunRequest(names=[str(path)]))
    except InputError as problem:
        assert {"is skipped", "syntax"} & {*names}, problem  # noqa: PT017 - nothing else is wrong with them
        assert not (place / "runs").exists()
        return
    assert not {"is skipped", "syntax"} & {*names}
    (result,) = run_in_turn(graph, "stop")
    code = exit_code_of_all([result.status])
    happened = (place / "done").read_text(encoding="utf-8").split() if (place / "done").exists() else []
    wanted = sum(PARTS[name].steps for name in names)
    if mode != "apply":
        assert not happened
    if code == 0 and mode == "apply":
        assert len(happened) == wanted
    if is_proven(names, mode):
        assert code == 0, (result.status, result.problem)
    if any(PARTS[name].bad for name in names if mode == "apply" or name not in {"fails", "caught"}):
        assert code != 0  # a plan does not send the command that would fail
    directories = [entry for entry in (place / "runs").iterdir() if entry.is_dir()]
    for directory in directories:
        check_run(directory, green=code == 0)
    rows = Archive(place / "runs", cache=place / "cache").runs
    archived = [
        Status(status).is_success for status, mode in zip(rows["status"], rows["mode"], strict=True) if mode
    ]
    assert all(archived) if code == 0 else not any(archived)
