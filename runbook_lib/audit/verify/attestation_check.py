"""Hold a run directory against its attestation: signatures, hashes, and what it says of the run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from runbook_lib.attestation import statement as words
from runbook_lib.attestation.envelope import check as check_signatures
from runbook_lib.attestation.envelope import open_envelope
from runbook_lib.audit.verify.verdict import Finding, Kind, Signer
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runbook_lib.attestation.trust import Trust
    from runbook_lib.audit.verify.journal_view import Told

__all__ = ["Attested", "look"]

_SUBJECT = re.compile(r"(output/)?[^/\0]+")
_TESTS = ("passedTests", "warnedTests", "failedTests")


class Attested:
    """A run's attestation.

    Args:
        statement: What it says; empty where there is none, or none that can be read.
        signers: Who signed, and what that is worth.
        findings: What is wrong with the file and its signatures.
    """

    def __init__(self, statement: dict[str, Any], signers: list[Signer], findings: list[Finding]) -> None:
        self.statement = statement
        self.signers = signers
        self.findings = findings

    @property
    def predicate(self) -> dict[str, Any]:
        """The statement's predicate."""
        told = self.statement.get("predicate")
        return told if isinstance(told, dict) else {}

    @property
    def run(self) -> dict[str, Any]:
        """What the predicate tells beyond a test result."""
        told = self.predicate.get(words.EXTENSION)
        return told if isinstance(told, dict) else {}

    def compare(self, digests: Mapping[str, str], told: Told) -> Iterator[Finding]:
        """Yield each difference between what was sealed and what is there.

        Args:
            digests: The sha256 of each file of evidence that is there.
            told: The run, as the journal that is there tells it.
        """
        if not self.statement:
            return
        yield from self._form()
        yield from self._files(digests)
        yield from self._run(told)
        sealed = self.run.get("sealed")
        if isinstance(sealed, dict) and sealed.get("later"):
            who = f"by {sealed.get('by')} on {sealed.get('machine')} at {sealed.get('time')}"
            yield _finding(Kind.NOTE, f"sealed later, {who}, not at the run's end")

    def _form(self) -> Iterator[Finding]:
        for field, wanted in (("_type", words.STATEMENT_TYPE), ("predicateType", words.PREDICATE_TYPE)):
            if self.statement.get(field) != wanted:
                yield _finding(Kind.ALTERED, f"its {field} is {self.statement.get(field)!r}"[:200])

    def _files(self, digests: Mapping[str, str]) -> Iterator[Finding]:
        sealed: dict[str, str] = {}
        for subject in self.statement.get("subject") or []:
            name = subject["name"]
            if not isinstance(name, str) or not _SUBJECT.fullmatch(name) or name in sealed:
                yield _finding(
                    Kind.ALTERED, f"it names no file of a run directory, or one twice: {name!r}"[:200]
                )
                continue
            sealed[name] = subject["digest"]["sha256"]
        if JOURNAL not in sealed:
            yield _finding(Kind.ALTERED, "it does not cover the journal")
        for name, digest in sealed.items():
            part = _part(name)
            if name not in digests:
                yield Finding(
                    kind=Kind.MISSING, part=part, where=name, message="it was sealed and is not there"
                )
            elif digests[name] != digest:
                yield Finding(
                    kind=Kind.ALTERED, part=part, where=name, message="it was changed after it was sealed"
                )
        for name in sorted(digests.keys() - sealed.keys()):
            message = "it was not there when the run was sealed"
            yield Finding(kind=Kind.ALTERED, part=_part(name), where=name, message=message)

    def _run(self, told: Told) -> Iterator[Finding]:
        if not told.opened:
            return
        if self.run.get("run") != told.opened.get("run"):
            other = f"it is of run {self.run.get('run')!r}, the journal of run {told.opened.get('run')!r}"
            yield _finding(Kind.ALTERED, other[:400])
            return
        expected = words.outcome(told.status, told.tests())
        claimed = {name: self.predicate.get(name) for name in ("result", *_TESTS)}
        if self.run.get("status") != told.status:
            said = f"it says the run was {self.run.get('status')!r}, the journal {told.status!r}"
            yield _finding(Kind.ALTERED, said[:400])
        for name, value in expected.items():
            if claimed[name] != value:
                yield _finding(Kind.ALTERED, f"its {name} is not what the journal tells")


def look(directory: Path, trust: Trust, needed: int) -> Attested:
    """Read a run's attestation and check its signatures.

    Args:
        directory: The run directory.
        trust: Keys that count.
        needed: How many different trusted keys must have signed.
    """
    path = directory / ATTESTATION
    if not path.exists() and not path.is_symlink():
        never = _finding(Kind.UNSIGNED, "the run was never sealed: nothing vouches for its evidence")
        return Attested({}, [], [never])
    try:
        envelope, statement = open_envelope(directory)
    except EvidenceError as problem:
        return Attested({}, [], [_finding(Kind.ALTERED, problem.message)])
    signers = [
        Signer(key_id=signed.key_id, name=signed.name, valid=signed.valid, trusted=signed.trusted)
        for signed in check_signatures(envelope, trust)
    ]
    return Attested(statement, signers, list(_signatures(signers, trust, needed)))


def _signatures(signers: list[Signer], trust: Trust, needed: int) -> Iterator[Finding]:
    for signer in signers:
        key = f"key {signer.key_id[:12]}…" if len(signer.key_id) > len("key 123456789012") else signer.key_id
        if signer.valid is False:
            whose = f" ({signer.name})" if signer.name else ""
            yield _finding(
                Kind.ALTERED, f"the signature by {key}{whose} does not hold: it is of something else"
            )
        elif signer.valid is None:
            yield _finding(
                Kind.WARNING, f"a signature by {key}, whose public key is not at hand, cannot be checked"
            )
        elif not signer.trusted:
            yield _finding(Kind.WARNING, f"the signature by {key} holds, but that key is not trusted")
    good = sum(signer.trusted for signer in signers)
    if good >= needed:
        return
    if not signers:
        yield _finding(Kind.UNSIGNED, "sealed with hashes only: nobody signed it")
    elif not trust.keys:
        yield _finding(
            Kind.UNSIGNED, "no trusted keys are given: no signature counts; name them with --trust"
        )
    else:
        yield _finding(Kind.UNSIGNED, f"signed by {good} trusted key(s), and {needed} must have")


def _part(name: str) -> Any:  # noqa: ANN401 - one of Part
    if name == JOURNAL:
        return "journal"
    if name.endswith(".ipynb"):
        return "notebook"
    return "output" if name.startswith("output/") else "parameters"


def _finding(kind: Kind, message: str) -> Finding:
    return Finding(kind=kind, part="attestation", where=ATTESTATION, message=message)
