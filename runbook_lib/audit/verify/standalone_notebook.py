"""A notebook without its run directory: ours, or a foreign one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation.files import read
from runbook_lib.audit.verify import embedded_records
from runbook_lib.audit.verify.run_directory import compare_source, told_at_start
from runbook_lib.audit.verify.untrusted import guarded
from runbook_lib.audit.verify.verdict import Finding, Kind, Verdict, decide
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import RUN_MIME
from runbook_lib.evidence.lookup import read_run
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.audit.verify.approved_source import Approval
    from runbook_lib.model.records import RunRecord

__all__ = ["verify_notebook"]


def verify_notebook(path: Path, approval: Approval) -> Verdict:
    """Return what an executed notebook alone is worth: at best it is unsigned."""
    try:
        notebook = Notebook.parse(read(path), path.name)
    except EvidenceError as problem:
        finding = Finding(kind=Kind.MISSING, part="notebook", where=path.name, message=problem.message)
        return Verdict(path=str(path), verdict=decide([finding]), findings=[finding])
    opened: list[dict[str, Any]] = []
    findings = guarded("notebook", path.name, lambda: _opened(notebook, opened))
    if not opened:
        findings += guarded("notebook", path.name, lambda: _foreign(notebook))
        return Verdict(path=str(path), verdict=decide(findings), findings=findings)
    start = opened[-1]
    record: list[RunRecord] = []
    findings += guarded("notebook", path.name, lambda: _record(path, record))
    findings += guarded("notebook", path.name, lambda: _consistent(notebook, str(start["run"])))
    findings += guarded("source", path.name, lambda: compare_source(notebook, start, approval))
    alone = "a notebook alone: neither journal nor seal is here to vouch for it"
    findings.append(Finding(kind=Kind.UNSIGNED, part="attestation", message=alone))
    ended = record[0].ended if record else None
    return Verdict(
        path=str(path),
        verdict=decide(findings),
        status=record[0].status if record else Status.UNKNOWN,
        ended=ended.isoformat().replace("+00:00", "Z") if ended else "",
        findings=findings,
        **told_at_start(start),
    )


def _opened(notebook: Notebook, opened: list[dict[str, Any]]) -> Iterator[Finding]:
    """Collect what a notebook tells of runs' starts, the newest last."""
    told = [bundle[RUN_MIME] for bundle in notebook.bundles() if RUN_MIME in bundle]
    opened += sorted((one for one in told if one["event"] == "opened"), key=lambda one: str(one["started"]))
    if told and not opened:
        message = "it tells the end of a run and not its start"
        yield Finding(kind=Kind.MISSING, part="notebook", where=notebook.name, message=message)
    if len(opened) > 1:
        message = f"it was opened {len(opened)} times: the newest run is looked at"
        yield Finding(kind=Kind.NOTE, part="notebook", where=notebook.name, message=message)


def _record(path: Path, record: list[RunRecord]) -> Iterator[Finding]:
    record.append(read_run(path))
    if record[0].incomplete:
        yield Finding(kind=Kind.MISSING, part="notebook", where=path.name, message=record[0].incomplete)


def _consistent(notebook: Notebook, run: str) -> Iterator[Finding]:
    _, steps, _ = embedded_records.records_of(notebook, run)
    yield from embedded_records.consistent(steps)


def _foreign(notebook: Notebook) -> Iterator[Finding]:
    """Tell what can be known of a notebook that holds no record of ours."""
    papermill = notebook.metadata.get("papermill")
    kernel = notebook.metadata.get("kernelspec", {}).get("display_name", "an unnamed kernel")
    ran = sum(cell.executed for cell in notebook.sources())
    yield _note(Kind.FOREIGN, notebook, "no run of ours: it holds no record of one")
    yield _note(Kind.NOTE, notebook, f"{len(notebook.cells)} cells for {kernel}; {ran} show that they ran")
    if not isinstance(papermill, dict):
        return
    statuses = Counter(_status(cell) for cell in notebook.cells)
    counts = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()) if status)
    told = {
        key: papermill.get(key) for key in ("version", "input_path", "start_time", "duration", "exception")
    }
    yield _note(Kind.NOTE, notebook, f"papermill tells: {told}; cells: {counts}"[:600])
    yield _note(Kind.NOTE, notebook, f"parameters: {papermill.get('parameters')}"[:600])
    proof = 'papermill\'s "completed" proves nothing: cells are marked so even where the kernel was killed'
    yield _note(Kind.WARNING, notebook, proof)


def _status(cell: dict[str, Any]) -> str:
    return str(cell.get("metadata", {}).get("papermill", {}).get("status") or "")


def _note(kind: Kind, notebook: Notebook, message: str) -> Finding:
    return Finding(kind=kind, part="notebook", where=notebook.name, message=message)
