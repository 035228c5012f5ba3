"""A runbook that another program executes than ours: its parameters are found, and its evidence is as complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation import seal
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.model.status import Status
from tests.audit.project import git
from tests.execution.notebook.jupyter_server import JupyterServer, OpenNotebook
from tests.execution.project import OPEN, Project, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs

STEP = 'book.step("Fine", Does(("true",)))'
CELLS = (OPEN, STEP, "print('as ever')", "book.close()")
EVIDENCE = [
    "attestation.json",
    "journal.jsonl",
    "junit.xml",
    "notebook.ipynb",
    "parameters.yml",
    "report.html",
]


def copied(run: Path) -> dict[str, Any]:
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in (run / "journal.jsonl").read_bytes().splitlines()
    ]
    (entry,) = [line for line in lines if line["event"] == "notebook_copied"]
    return entry


def bad_findings(run: Path, project: Project) -> list[str]:
    verdict = verify_run(run, approved=project.place / "approved")
    return [item.message for item in verdict.findings if item.kind in {"altered", "missing", "foreign"}]


def approve(project: Project, notebook: Path) -> None:
    (project.place / "approved").mkdir()
    (project.place / "approved" / notebook.name).write_bytes(notebook.read_bytes())


def test_ipython_executes_a_notebook_from_a_file(project: Project) -> None:
    notebook = project.notebook(*CELLS)
    approve(project, notebook)
    done = finish(project.start("IPython", "--colors=NoColor", str(notebook)))
    assert done.code == 0, done.output
    assert sorted(path.name for path in project.run.iterdir()) == EVIDENCE
    assert f"report: {project.run}/report.html" in done.output
    assert (project.run / "notebook.ipynb").read_bytes() == notebook.read_bytes()
    assert copied(project.run)["from_file"]
    assert bad_findings(project.run, project) == []


def test_a_notebook_in_jupyter_is_altered_by_nothing_but_an_edit(
    project: Project, programs: Programs
) -> None:
    notebook = project.notebook(*CELLS)
    approve(project, notebook)
    (project.place / ".gitignore").write_text("runs\napproved\n*.yml\n", encoding="utf-8")
    git(project.place, "init", "-q", "-b", "main")
    git(project.place, "add", ".")
    git(project.place, "commit", "-qm", "A runbook")
    server = JupyterServer(project.place, project.temporary, programs)
    opened = OpenNotebook(server, "notebooks/10_practice.ipynb")
    try:
        # 1. Run to the end; saved before the last cell and after it.
        opened.run(0, 1, 2, 3, 4)
        opened.content["cells"].append(
            {"cell_type": "code", "source": "", "metadata": {}, "outputs": [], "id": "empty"}
        )
        opened.content["cells"][-1]["execution_count"] = None
        opened.save()
        opened.run(5)
        opened.save()
        (first,) = project.runs.iterdir()
        assert sorted(path.name for path in first.iterdir()) == EVIDENCE
        assert bad_findings(first, project) == []
        assert copied(first)["not_in_copy"] == []
        assert f"runs/{first.name}/report.html" in json.dumps(opened.content["cells"][5]["outputs"])
        # 2. Again in the same notebook, which still shows the first run: what is saved has outputs, and is the source.
        opened.run(0, 2, 3)
        # 3. The kernel is restarted before the run has ended.
        opened.restart()
        (left,) = set(project.runs.iterdir()) - {first}
        assert "attestation.json" not in {path.name for path in left.iterdir()}
        assert judged_record(left).status is Status.UNKNOWN
        late = seal(left, [])
        assert (late.result, late.record.status) == ("FAILED", Status.UNKNOWN)
        # 4. All cells again in the new kernel, nothing saved meanwhile.
        opened.run(0, 1, 2, 3, 4, 5)
        (again,) = set(project.runs.iterdir()) - {first, left}
        assert judged_record(again).status is Status.CHANGED
        assert bad_findings(again, project) == []
        starts = [
            json.loads((run / "journal.jsonl").read_bytes().splitlines()[0]) for run in (first, left, again)
        ]
        assert [start["source"]["uncommitted"] for start in starts] == [False, False, False]
        assert len({start["notebook_file"]["sha256"] for start in starts}) == 2
        assert len({start["notebook_file"]["source_sha256"] for start in starts}) == 1
    finally:
        opened.close()
