"""A secret that a headless run learns late, in any form: nothing that is made at its end repeats it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.rules.base import Context
from runbook_lib.audit.rules.secrets import SecretInOutput
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.model.status import Status
from runbook_lib.report.data_frames import tables
from runbook_lib.report.markdown import markdown
from runbook_lib.runbook.steps.recorder import now
from tests.execution.notebook.test_secret_canary import IMPORTS, SECRET, found_in
from tests.execution.project import finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project

FLOOD = "import sys; v = sys.stdin.read(); [print(v) for _ in range(2000)]"
CELLS = (
    "book = Runbook.open(Practice.collect(globals()))",
    "book.step('Echo', lambda host: Echoes(os.environ['CANARY']))",
    f"book.step('Flood', lambda host: Does(('python3', '-c', {FLOOD!r}), stdin=os.environ['CANARY']))",
    "print(os.environ['CANARY'])",
    "secret = book.secret('${env:CANARY}')",
    "print(secret)",
    "book.close()",
)


def test_everything_but_journal_and_outputs_is_without_it_and_names_them(
    project: Project, tmp_path: Path
) -> None:
    imports = f"{IMPORTS}\nfrom tests.runbook.practice import Does, Practice"
    notebook = project.notebook(*CELLS, imports=imports)
    done = finish(project.runbook_run(notebook, CANARY=SECRET))
    assert done.code == 0, done.output
    assert found_in(done.output.encode()) == []
    assert "${env:CANARY} was recorded in plain text" in " ".join(done.output.split())
    assert "hint: rotate the secret" in done.output
    (stored,) = (project.run / "output").iterdir()
    leaks = {
        path.relative_to(project.run).as_posix()
        for path in project.run.rglob("*")
        if path.is_file() and found_in(path.read_bytes())
    }
    assert leaks == {"journal.jsonl", f"output/{stored.name}"}
    verdict = verify_run(project.run, approved=project.place / "notebooks")
    assert [finding for finding in verdict.findings if finding.kind in {"altered", "missing"}] == []
    places = [finding.where for finding in verdict.findings if "in plain text" in finding.message]
    assert places == [
        "journal.jsonl (step 1 on host-a)",
        "journal.jsonl (step 2 on host-a)",
        f"output/{stored.name} (step 2 on host-a)",
    ]
    assert found_in(verdict.model_dump_json().encode()) == []
    record = project.record
    assert record.status is Status.CHANGED
    frames = tables([record])
    texts = [
        markdown([record], "Run"),
        record.model_dump_json(),
        *(frame.to_csv() for frame in (frames.runs, frames.steps, frames.commands)),
    ]
    assert found_in("".join(texts).encode()) == []
    archive = Archive(project.runs, cache=tmp_path / "cache")
    everything = [frame.to_csv() for frame in (archive.runs, archive.steps, archive.commands)]
    (violation,) = SecretInOutput().find(Context(archive, now()))
    assert found_in(str(everything).encode()) == []
    assert "journal.jsonl (step 1 on host-a)" in violation.message
