"""File names and MIME types of the evidence that a run leaves."""

from __future__ import annotations

import re

__all__ = [
    "ATTESTATION",
    "CSV",
    "DERIVED",
    "HTML_REPORT",
    "JOURNAL",
    "JUNIT_REPORT",
    "MARKDOWN_REPORT",
    "NOTEBOOK",
    "OUTPUT",
    "PARAMETERS",
    "PARQUET",
    "REPORTS",
    "RUN_MIME",
    "RUN_NAME",
    "SEALED",
    "STEP_MIME",
]

RUN_MIME = "application/vnd.runbook.run.v1+json"
"""MIME type of the record of a run's start and of its end."""
STEP_MIME = "application/vnd.runbook.step.v1+json"
"""MIME type of the complete record of a step."""
RUN_NAME = re.compile(r"\d{8}T\d{6}Z_(?P<runbook>.+)_[0-9a-f]{6}")
"""How a run, and so its directory, is called: names sort by the time of the start."""

ATTESTATION = "attestation.json"
JOURNAL = "journal.jsonl"
NOTEBOOK = "notebook.ipynb"
PARAMETERS = "parameters.yml"
OUTPUT = "output"
HTML_REPORT = "report.html"
JUNIT_REPORT = "junit.xml"
MARKDOWN_REPORT = "report.md"
CSV = "csv"
"""Directory for the tables as CSV files."""
PARQUET = "parquet"
"""Directory for the tables as Parquet files."""
REPORTS = "reports"
"""Directory for reports in formats of other packages."""
SEALED = frozenset({JOURNAL, PARAMETERS})
"""Files that are sealed and verified; so are all notebooks of the directory, and the files in `OUTPUT`."""
DERIVED = frozenset({HTML_REPORT, JUNIT_REPORT, MARKDOWN_REPORT, CSV, PARQUET, REPORTS})
"""What `runbook report` generates from the evidence and can generate again: never sealed or verified."""
