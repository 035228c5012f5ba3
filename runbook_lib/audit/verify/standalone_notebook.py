"""Verify an executed notebook without its run directory: one of ours, or a foreign one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runbook_lib.audit.verify.checks import compare_source
from runbook_lib.audit.verify.embedded_records import check_output_hashes
from runbook_lib.audit.verify.findings import Findings
from runbook_lib.audit.verify.verdict import Verdict
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.judgement import with_judgement
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords, record_of_notebook
from runbook_lib.evidence.regular_file import read
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.verify.approved_source import Approval

__all__ = ["verify_notebook"]

Data = dict[str, Any]


def verify_notebook(path: Path, approval: Approval) -> Verdict:
    """Return the verdict on a standalone notebook: at best it is unsigned.

    Args:
        path: The executed notebook.
        approval: Where approved sources are.
    """
    findings = Findings()
    # 1. The file is a notebook.
    try:
        notebook = Notebook.parse(read(path), path.name)
    except EvidenceError as problem:
        findings.missing(problem.message, where=path.name, part="notebook")
        return Verdict.of(path, findings)

    # 2. Its outputs embed the record of a run; the newest counts.
    embedded, start = EmbeddedRecords([], [], []), None
    with findings.part("notebook", path.name):
        embedded = EmbeddedRecords.of(notebook)
        start = find_start(embedded, findings)
    if start is None:
        with findings.part("notebook", path.name):
            describe_foreign(notebook, findings)
        return Verdict.of(path, findings)

    # 3. No step and no end of that run is missing.
    status, ended = Status.UNKNOWN, None
    with findings.part("notebook", path.name):
        record = with_judgement(record_of_notebook(notebook), notebook)
        status, ended = record.status, record.ended
        if record.incomplete:
            findings.missing(record.incomplete)

    # 4. Each complete output matches its own SHA-256.
    with findings.part("notebook", path.name):
        check_output_hashes(embedded.of_run(str(start["run"])).steps, findings)

    # 5. The code that ran is the approved source, and it ran with the parameters in the record.
    with findings.part("source", path.name):
        compare_source(notebook, start, approval, findings)

    # 6. Nothing authenticates the notebook.
    with findings.part("attestation", ""):
        findings.unsigned("standalone notebook: no journal or seal to verify against")
    return Verdict.of(
        path,
        findings,
        start,
        status=status,
        ended=ended.isoformat().replace("+00:00", "Z") if ended else "",
    )


def find_start(embedded: EmbeddedRecords, findings: Findings) -> Data | None:
    """Return the record of the newest run's start; None if there is none."""
    starts = sorted(embedded.starts, key=lambda record: _moment(record["started"]))
    if embedded.ends and not starts:
        findings.missing("the notebook has the end of a run, but not its start")
    if len(starts) > 1:
        findings.note(f"a run was opened {len(starts)} times: only the newest run is verified")
    return starts[-1] if starts else None


def _moment(text: Any) -> datetime:  # noqa: ANN401 - whatever the notebook holds
    """Return a time as `record_of_notebook` compares it: not every start is in the same zone."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:  # the record itself cannot be interpreted, which is a finding
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def describe_foreign(notebook: Notebook, findings: Findings) -> None:
    """List what is known of a notebook that embeds no record of a run."""
    papermill = notebook.metadata.get("papermill")
    kernel = notebook.metadata.get("kernelspec", {}).get("display_name", "an unnamed kernel")
    executed = sum(cell.executed for cell in notebook.sources())
    findings.foreign("not a run of this library: the notebook has no record of one")
    findings.note(f"{len(notebook.cells)} cells for {kernel}, {executed} of them executed")
    if not isinstance(papermill, dict):
        return
    statuses = Counter(_papermill_status(cell) for cell in notebook.cells)
    counts = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()) if status)
    names = ("version", "input_path", "start_time", "duration", "exception")
    reported = {name: papermill.get(name) for name in names}
    findings.note(f"papermill reports: {reported}; cells: {counts}")
    findings.note(f"parameters: {papermill.get('parameters')}")
    findings.warning(
        'papermill\'s "completed" proves nothing: papermill marks cells so even if the kernel was killed'
    )


def _papermill_status(cell: Data) -> str:
    return str(cell.get("metadata", {}).get("papermill", {}).get("status") or "")
