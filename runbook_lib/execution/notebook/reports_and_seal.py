"""Complete the evidence of a run that was made by hand, as `runbook run` does it for its own: reports and seal.

A run ends in a layer below this one, which finds this module by its name, and only where no engine of ours does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib import attestation
from runbook_lib.errors import RunbookError
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.layout import HTML_REPORT, JUNIT_REPORT
from runbook_lib.report.html import write_html
from runbook_lib.report.junit import write_junit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["complete_evidence"]


def complete_evidence(directory: Path) -> tuple[dict[str, str], str]:
    """Write the reports of a run that has just ended, and seal it.

    Args:
        directory: Its run directory.

    Returns:
        What was written, by the name of its file; and what could not be written, and why: empty if nothing.
    """
    written: dict[str, str] = {}
    try:
        record = judged_record(directory)
        write_html([record], directory / HTML_REPORT, record.title)
        written[HTML_REPORT] = "report"
        write_junit([record], directory / JUNIT_REPORT)
        written[JUNIT_REPORT] = "JUnit"
        seal = attestation.seal_run(directory)
        if seal is None:
            return written, "not sealed: the journal has no end-of-run line"
        signed = f"signed by key {', '.join(seal.key_ids)}" if seal.key_ids else "unsigned"
        written[seal.path.name] = f"seal ({signed}), which records the result {seal.result}"
    except RunbookError as problem:
        return written, str(problem)
    return written, ""
