"""Names and media types of what a run leaves."""

from __future__ import annotations

__all__ = [
    "ATTESTATION",
    "DERIVED",
    "JOURNAL",
    "NOTEBOOK",
    "OUTPUT",
    "PARAMETERS",
    "REPORTS",
    "RUN_MIME",
    "STEP_MIME",
]

RUN_MIME = "application/vnd.runbook.run.v1+json"
"""MIME type of what is told of a run at its start and its end."""
STEP_MIME = "application/vnd.runbook.step.v1+json"
"""MIME type of a step's whole record."""


ATTESTATION = "attestation.json"
JOURNAL = "journal.jsonl"
NOTEBOOK = "notebook.ipynb"
PARAMETERS = "parameters.yml"
OUTPUT = "output"
REPORTS = "reports"
"""Directory for reports in formats of other packages."""
DERIVED = frozenset({"report.html", "junit.xml", "report.md", "csv", "parquet", REPORTS})
"""What `runbook report` makes from the evidence and can make again: never sealed, and not missed by verification."""
