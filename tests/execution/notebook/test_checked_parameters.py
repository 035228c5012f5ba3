"""A notebook whose cells open a run with other parameters than those that were checked is never green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.judgement import judged_record
from runbook_lib.model.status import Status
from tests.execution.project import OPEN, finish

if TYPE_CHECKING:
    import subprocess

    from tests.execution.project import Project

CLOSE = "book.close()"
BUILT = "book = Runbook.open(Practice(inventory=inventory, hosts=hosts, runs=runs))"
PLAN = ("mode", "plan")


def changes(project: Project) -> str:
    return f'book.step("Change", Holds({str(project.place / "changed")!r}, "changed\\n"))'


def started(project: Project, program: str, *cells: str, given: tuple[str, str]) -> subprocess.Popen[str]:
    notebook = project.notebook(*cells)
    if program == "papermill":
        return project.papermill(notebook, "runbook", "-p", *given)
    return project.start("runbook_lib.cli.main", "run", str(notebook), "-p", *given)


@pytest.mark.parametrize("program", ["runbook", "papermill"])
@pytest.mark.parametrize(
    ("cells", "given", "says"),
    [
        (('mode = "apply"', OPEN), PLAN, "'mode' was checked as 'plan'"),
        ((BUILT,), PLAN, "'mode' was checked as 'plan'"),
        (('hosts = "all"', OPEN), ("hosts", "host-a"), "'hosts' was checked as 'host-a'"),
        ((f"try:\n    {BUILT}\nexcept Exception:\n    pass",), PLAN, "'mode' was checked as 'plan'"),
    ],
    ids=["assigned", "built", "hosts", "caught"],
)
def test_it_is_refused_before_any_host_is_touched(
    project: Project, program: str, cells: tuple[str, ...], given: tuple[str, str], says: str
) -> None:
    done = finish(started(project, program, *cells, changes(project), CLOSE, given=given))
    assert done.code == 2, done.output
    assert done.output.count(says) == 1
    assert "no host was touched" in done.output
    assert "Traceback" not in done.output
    assert not (project.place / "changed").exists()
    assert [*project.runs.glob("*")] == []


def test_values_that_are_computed_in_other_variables_are_the_notebooks_business(project: Project) -> None:
    computed = "where = f'{hosts}-{mode}'\n_own = mode.upper()"
    done = finish(started(project, "runbook", OPEN, computed, changes(project), CLOSE, given=PLAN))
    assert done.code == 0, done.output
    assert project.record.status is Status.PLANNED


@pytest.mark.parametrize("program", ["runbook", "papermill"])
def test_a_second_run_is_refused_too_and_the_notebook_has_failed(project: Project, program: str) -> None:
    again = f"try:\n    {BUILT}\n    {changes(project)}\nexcept Exception:\n    pass"
    done = finish(started(project, program, OPEN, changes(project), CLOSE, again, given=PLAN))
    assert done.code == 1, done.output
    assert "'mode' was checked as 'plan'" in done.output
    assert not (project.place / "changed").exists()
    if program == "runbook":
        assert judged_record(project.run).status is Status.FAILED


@pytest.mark.parametrize("program", ["runbook", "papermill"])
def test_a_notebook_that_evades_it_is_judged_by_its_journal(project: Project, program: str) -> None:
    evades = "import os\ndel os.environ['RUNBOOK_CHECKED_INPUT']"
    done = finish(started(project, program, evades, BUILT, changes(project), CLOSE, given=PLAN))
    assert done.code == 1, done.output
    assert f"run {project.run.name} was made in mode apply: plan was checked" in done.output
    if program == "runbook":
        assert judged_record(project.run).status is Status.FAILED


def test_in_a_matrix_it_is_refused_in_the_workers(project: Project) -> None:
    notebook = project.notebook('mode = "apply"', OPEN, changes(project), CLOSE)
    matrix = project.place / "matrix.yml"
    matrix.write_text(
        f"runs:\n  - {{runbook: {notebook}, name: one, parameters: {{mode: plan}}}}\n"
        f"  - {{runbook: {notebook}, name: two, parameters: {{mode: validate}}}}\n",
        encoding="utf-8",
    )
    done = finish(
        project.start("runbook_lib.cli.main", "run", "--matrix", str(matrix), "--on-failure", "continue")
    )
    assert done.code == 2, done.output
    assert "'mode' was checked as 'plan'" in done.output
    assert "'mode' was checked as 'validate'" in done.output
    assert not (project.place / "changed").exists()
