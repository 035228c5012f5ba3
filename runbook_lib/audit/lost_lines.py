"""What proves that a journal had more lines: one that was cut exactly at a line's end looks like that of a killed run.

A run shows a step or its own end only once that is in the journal, and on disk. So whatever else of the run knows more
than its journal was written when the journal was longer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, JUNIT_REPORT, NOTEBOOK
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import EmbeddedRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.evidence.journal_view import JournalView

__all__ = ["LOST", "lost_lines"]

LOST = "lines at the end of the journal are missing"
"""How the message begins that the proofs belong to."""
# Whatever cannot be read proves nothing here; verification says what is wrong with it.
_NO_PROOF = (
    RunbookError,
    ArithmeticError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)
_PROPERTY = r'<property name="{}" value="([^"]*)"'
_MOST_PROPERTIES = 4096  # characters from a suite's first property to its last


def lost_lines(view: JournalView, journal: bytes, read: Callable[[str], bytes]) -> list[str]:
    """Return what proves that a journal without an end had more lines, in sentences; empty if nothing does.

    Args:
        view: What the journal has.
        journal: The journal. It must have been read after everything else of the run, or again if there is a proof: a
            run that is still running appends to it.
        read: Returns the content of another file of the run, by name; raises OSError or EvidenceError if there
            is none.
    """
    if view.ended or "run" not in view.started:
        return []
    run, proofs = str(view.started["run"]), []
    for find in (_of_notebook, _of_seal, _of_report):
        try:
            proofs += list(find(run, view, journal, read))
        except _NO_PROOF:
            continue
    return proofs


def _of_notebook(run: str, view: JournalView, _journal: bytes, read: Callable[[str], bytes]) -> Iterator[str]:
    embedded = EmbeddedRecords.of(Notebook.parse(read(NOTEBOOK), NOTEBOOK))
    if any(end.get("run") == run for end in embedded.ends):
        yield f"{NOTEBOOK} shows the end of the run"
    ended = {number for number, step in view.steps.items() if step.ended}
    shown = [step.get("number") for step in embedded.steps if step.get("run") == run]
    beyond = [number for number in shown if isinstance(number, int) and number not in ended]
    if beyond:
        yield f"{NOTEBOOK} shows the end of step {min(beyond)}"


def _of_seal(_run: str, _view: JournalView, journal: bytes, read: Callable[[str], bytes]) -> Iterator[str]:
    statement: Any = json.loads(base64.b64decode(json.loads(read(ATTESTATION))["payload"]))
    sealed = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    if sealed[JOURNAL] != hashlib.sha256(journal).hexdigest():
        yield f"{ATTESTATION} seals another state of the journal"


def _of_report(run: str, _view: JournalView, _journal: bytes, read: Callable[[str], bytes]) -> Iterator[str]:
    text = read(JUNIT_REPORT).decode()
    for suite in re.finditer(_PROPERTY.format("run"), text):
        if suite[1] != run:
            continue
        incomplete = re.search(
            _PROPERTY.format("incomplete"), text[suite.end() : suite.end() + _MOST_PROPERTIES]
        )
        if incomplete and not incomplete[1]:
            yield f"{JUNIT_REPORT} was made when the run had ended"
