"""Check a run's attestation: who signed it, and whether its statement is about these files and this run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation import statement as statements
from runbook_lib.attestation.envelope import check, open_envelope
from runbook_lib.attestation.statement import StepResult
from runbook_lib.audit.verify.embedded_records import same_value
from runbook_lib.audit.verify.verdict import Signer
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL, OUTPUT, PARAMETERS
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runbook_lib.attestation.trust import Trust
    from runbook_lib.audit.verify.findings import Findings, Part
    from runbook_lib.evidence.journal_view import JournalView

__all__ = [
    "Attestation",
    "check_signatures",
    "check_statement",
    "compare_inputs",
    "compare_run",
    "compare_subjects",
    "read_attestation",
]

_SUBJECT = re.compile(r"(output/)?[^/\0]+")
_DESCRIBED = ("runbook", "mode", "operator", "machine", "hosts", "started")
_RUN_FIELDS = frozenset({"run", "status", "ended", "incomplete", "sealed", *_DESCRIBED})
_SEALED_FIELDS = frozenset({"by", "machine", "time", "later"})
_TESTS = ("passedTests", "warnedTests", "failedTests")
_PREDICATE_FIELDS = frozenset({"result", "configuration", "url", statements.EXTENSION, *_TESTS})
_STATEMENT_FIELDS = frozenset({"_type", "subject", "predicateType", "predicate"})
_SHORT = 12  # characters of a key's id in a message


@dataclass(frozen=True)
class Attestation:
    """A run's attestation.

    Args:
        statement: None if there is no attestation, or none that can be read.
        signers: Who signed, and what each signature is worth.
    """

    statement: dict[str, Any] | None = None
    signers: list[Signer] = field(default_factory=list)

    @property
    def predicate(self) -> dict[str, Any]:
        """The statement's predicate."""
        return _mapping((self.statement or {}).get("predicate"))

    @property
    def run(self) -> dict[str, Any]:
        """What the predicate says about the run besides the test result."""
        return _mapping(self.predicate.get(statements.EXTENSION))

    @property
    def sealed(self) -> dict[str, str | bool]:
        """Who sealed the run, where, when, and whether later than at its end."""
        sealed = _mapping(self.run.get("sealed"))
        return {str(key): value if isinstance(value, bool) else str(value) for key, value in sealed.items()}


def read_attestation(directory: Path, trust: Trust, findings: Findings) -> Attestation:
    """Return a run's attestation, with each signature checked.

    Args:
        directory: The run directory.
        trust: Trusted public keys.
        findings: An attestation that is missing or malformed is added here.
    """
    path = directory / ATTESTATION
    if not path.exists() and not path.is_symlink():
        findings.unsigned("not sealed: the evidence is unauthenticated")
        return Attestation()
    try:
        envelope, statement = open_envelope(directory)
    except EvidenceError as problem:
        findings.altered(problem.message)
        return Attestation()
    signers = [
        Signer(key_id=signature.key_id, name=signature.name, valid=signature.valid, trusted=signature.trusted)
        for signature in check(envelope, trust)
    ]
    return Attestation(statement, signers)


def check_signatures(attestation: Attestation, trust: Trust, needed: int, findings: Findings) -> None:
    """Add each signature that does not count, and that too few do.

    Args:
        attestation: The run's attestation.
        trust: Trusted public keys.
        needed: How many different trusted keys must have signed.
        findings: Where to add what is wrong.
    """
    if attestation.statement is None:
        return
    for signer in attestation.signers:
        key = f"key {signer.key_id[:_SHORT]}…" if len(signer.key_id) > _SHORT else f"key {signer.key_id}"
        if signer.valid is False:
            holder = f" ({signer.name})" if signer.name else ""
            findings.altered(f"the signature by {key}{holder} is invalid: it belongs to other content")
        elif signer.valid is None:
            findings.warning(f"the signature by {key} cannot be checked: its public key is not available")
        elif not signer.trusted:
            findings.warning(f"the signature by {key} is valid, but the key is not trusted")
    # One key that signs twice is one signer.
    trusted = len({signer.key_id for signer in attestation.signers if signer.trusted})
    if trusted >= needed:
        return
    if not attestation.signers:
        findings.unsigned("sealed but unsigned")
    elif trust.refused:
        findings.unsigned(
            f"the keys in {trust.refused} do not count, as they come with the evidence: name trusted keys with --trust"
        )
    elif not trust.keys:
        findings.unsigned("no trusted keys are known, so no signature counts: name them with --trust")
    else:
        findings.unsigned(f"{trusted} of {needed} required trusted signatures")


def check_statement(attestation: Attestation, findings: Findings) -> None:
    """Check the form of the statement, and note if the run was sealed later than at its end."""
    if attestation.statement is None:
        return
    for name, expected in (
        ("_type", statements.STATEMENT_TYPE),
        ("predicateType", statements.PREDICATE_TYPE),
    ):
        value = attestation.statement.get(name)
        if value != expected:
            findings.altered(f"{name} is {value!r}, not {expected!r}"[:200])
    for place, value, known in (
        ("the statement", attestation.statement, _STATEMENT_FIELDS),
        ("the predicate", attestation.predicate, _PREDICATE_FIELDS),
        (statements.EXTENSION, attestation.run, _RUN_FIELDS),
        ("sealed", attestation.sealed, _SEALED_FIELDS),
    ):
        for name in sorted(map(str, value.keys() - known)):
            findings.warning(f"{place} has the field {name!r}, which nothing in the evidence confirms"[:200])
    sealed = attestation.sealed
    if sealed.get("later"):
        who = f"by {sealed.get('by')} on {sealed.get('machine')} at {sealed.get('time')}"
        findings.note(f"sealed later, {who}, not at the end of the run")


def compare_subjects(attestation: Attestation, digests: Mapping[str, str], findings: Findings) -> None:
    """Add each difference between the sealed files and the files of evidence.

    Args:
        attestation: The run's attestation.
        digests: The SHA-256 of each file of evidence.
        findings: Where to add differences.
    """
    if attestation.statement is None:
        return
    sealed: dict[str, str] = {}
    for subject in attestation.statement.get("subject") or []:
        name = subject["name"]
        if not isinstance(name, str) or not _SUBJECT.fullmatch(name) or name in sealed:
            findings.altered(f"names a file outside the run directory, or one file twice: {name!r}"[:200])
            continue
        sealed[name] = subject["digest"]["sha256"]
    if JOURNAL not in sealed:
        findings.altered("does not cover the journal")
    for name, digest in sealed.items():
        if name not in digests:
            findings.missing("sealed, but missing or unreadable", where=name, part=_part(name))
        elif digests[name] != digest:
            findings.altered("changed after it was sealed", where=name, part=_part(name))
    for name in sorted(digests.keys() - sealed.keys()):
        findings.altered("added after the run was sealed", where=name, part=_part(name))


def compare_run(attestation: Attestation, journal: JournalView, status: Status, findings: Findings) -> None:
    """Add each difference between what the statement says about the run and the evidence.

    Args:
        attestation: The run's attestation.
        journal: The run's journal.
        status: How the run ended, by its journal and its notebook.
        findings: Where to add differences.
    """
    if attestation.statement is None or not journal.started or journal.not_understood:
        return
    run = attestation.run
    if run.get("run") != journal.started.get("run"):
        other, own = run.get("run"), journal.started.get("run")
        findings.altered(f"the statement is about run {other!r}, the journal about run {own!r}")
        return
    _compare_description(run, journal, findings)
    expected_status = str(status)
    if run.get("status") == journal.status != status:
        # Seals made before notebooks were judged have the journal's status; the judge's can only be worse.
        findings.warning(f"sealed as {journal.status!r}, but the notebook shows {expected_status!r}")
        expected_status = journal.status
    elif run.get("status") != status:
        findings.altered(f"status is {run.get('status')!r}, but the evidence shows {expected_status!r}"[:400])
    for name, expected in statements.outcome(expected_status, _step_results(journal)).items():
        if attestation.predicate.get(name) != expected:
            findings.altered(f"{name} does not match the journal")


def _compare_description(run: Mapping[str, Any], journal: JournalView, findings: Findings) -> None:
    expected = {name: journal.started.get(name) for name in _DESCRIBED}
    if not journal.problem:  # what a broken chain hides is a finding about the journal
        expected["ended"] = journal.ended.get("ended") if journal.ended else None
        expected["incomplete"] = journal.incomplete
    for name, value in expected.items():
        if not same_value(run.get(name), value):
            findings.altered(f"{name} is {run.get(name)!r}, in the journal {value!r}"[:400])


def compare_inputs(
    attestation: Attestation, journal: JournalView, digests: Mapping[str, str], findings: Findings
) -> None:
    """Add each difference between the inputs that the statement names and those in the evidence.

    Args:
        attestation: The run's attestation.
        journal: The run's journal.
        digests: The SHA-256 of each file of evidence.
        findings: Where to add differences.
    """
    if attestation.statement is None or not journal.started:
        return
    source, file = (_mapping(journal.started.get(name)) for name in ("source", "notebook_file"))
    notebook = f"{journal.started.get('runbook')}.ipynb"
    # A file that is missing is a finding about the file.
    hashes = {PARAMETERS: digests.get(PARAMETERS), notebook: file.get("sha256")}
    commits = {statements.SOURCE, f"notebooks/{notebook}"}  # the second in seals of earlier versions
    stated: list[str] = []
    for item in attestation.predicate.get("configuration") or []:
        name, digest = item["name"], item["digest"]
        if name in stated or name not in (commits if "gitCommit" in digest else hashes):
            findings.altered(f"the input {name!r} is not one of the run's inputs, or is named twice"[:400])
            continue
        stated.append(name)
        if "gitCommit" in digest:
            uncommitted = bool(source.get("uncommitted", True))
            same = digest["gitCommit"] == source.get("commit")
            same = same and bool(_mapping(item.get("annotations")).get("uncommitted", True)) == uncommitted
        else:
            same = digest.get("sha256") == (hashes[name] or (name == PARAMETERS and digest.get("sha256")))
        if not same:
            findings.altered(f"the input {name!r} differs from the run's own record"[:400])
    needed = {name for name, sha256 in hashes.items() if sha256}
    if source.get("commit") and commits.isdisjoint(stated):
        needed.add(statements.SOURCE)
    for name in sorted(needed.difference(stated)):
        findings.altered(f"the input {name!r} is missing from the statement")


def _step_results(journal: JournalView) -> Iterator[StepResult]:
    for number, step in sorted(journal.steps.items()):
        for name, host in step.hosts.items():
            status = host.ended["status"] if host.ended else Status.UNKNOWN
            yield StepResult(number, step.started["title"], name, status)


def _part(name: str) -> Part:
    if name == JOURNAL:
        return "journal"
    if name.endswith(".ipynb"):
        return "notebook"
    return "output" if name.startswith(f"{OUTPUT}/") else "parameters"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
