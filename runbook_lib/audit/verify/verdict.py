"""The verdict on a run: one word, and every finding that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.audit.verify.findings import Finding, Kind
from runbook_lib.evidence.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["VERDICT_VERSION", "Signer", "Verdict", "Word", "text_of", "word_for"]

VERDICT_VERSION = 1
"""Version of the verdict's fields, as `runbook audit verify --json` writes them."""


class Word(StrEnum):
    """What a run's evidence is worth, in one word. How the run ended is its `status`, not this."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    ALTERED = "altered"
    INCOMPLETE = "incomplete"
    FOREIGN = "foreign"


# From the worst.
_WORD_OF_KIND = [
    (Kind.ALTERED, Word.ALTERED),
    (Kind.FOREIGN, Word.FOREIGN),
    (Kind.MISSING, Word.INCOMPLETE),
    (Kind.UNSIGNED, Word.UNSIGNED),
]


def word_for(findings: Iterable[Finding]) -> Word:
    """Return the word that the worst finding makes."""
    kinds = {finding.kind for finding in findings}
    return next((word for kind, word in _WORD_OF_KIND if kind in kinds), Word.VERIFIED)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Signer(_Model):
    """One signature.

    Args:
        name: The key's holder, from the trusted keys' file names; empty if the key is not trusted.
        valid: Whether the signature is valid; None if its public key is not available.
        trusted: Whether it is valid by a trusted key.
    """

    key_id: str
    name: str = ""
    valid: bool | None = None
    trusted: bool = False


class Verdict(_Model):
    """What is known of one run, and what its evidence is worth.

    Args:
        path: What was verified.
        run: The run's id, from its journal or else its notebook; empty if neither has one.
        status: From the evidence; `unknown` without the run's end.
        result: The attestation's: PASSED, WARNED or FAILED; empty if there is none.
        sealed: Who sealed the run, where, when, and whether later than at its end, from the attestation.
        keys_from: Which trusted keys were used, and where they come from.
        source_from: Which approved source the code was compared with.
        not_covered: Files of the run directory that no seal covers, such as reports: they can say anything.
    """

    schema_version: int = VERDICT_VERSION
    path: str
    verdict: Word
    run: str = ""
    runbook: str = ""
    mode: str = ""
    status: str = "unknown"
    operator: str = ""
    machine: str = ""
    hosts: list[str] = Field(default_factory=list)
    started: str = ""
    ended: str = ""
    commit: str = ""
    result: str = ""
    sealed: dict[str, str | bool] = Field(default_factory=dict)
    signers: list[Signer] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    keys_from: str = ""
    source_from: str = ""
    not_covered: list[str] = Field(default_factory=list)

    @classmethod
    def of(
        cls,
        path: Path,
        findings: Iterable[Finding],
        start: Mapping[str, Any] | None = None,
        **known: Any,  # noqa: ANN401 - fields of any type
    ) -> Verdict:
        """Return the verdict that the findings on a run make.

        Args:
            path: What was verified.
            findings: Everything that was found.
            start: The record of the run's start; a value of a wrong type counts as missing.
            known: Further fields.
        """
        found, start = [*findings], start or {}
        source, hosts = start.get("source"), start.get("hosts")
        texts = ("run", "runbook", "mode", "operator", "machine", "started")
        return cls(
            path=path_text(str(path)),
            verdict=word_for(found),
            findings=found,
            hosts=[str(host) for host in hosts] if isinstance(hosts, list) else [],
            commit=text_of(source, "commit"),
            **{name: text_of(start, name) for name in texts},
            **known,
        )

    def with_altered(self, message: str) -> Verdict:
        """Return this verdict with one more finding of altered evidence, about the directory as a whole."""
        findings = [*self.findings, Finding(kind=Kind.ALTERED, part="files", where="", message=message)]
        return self.model_copy(update={"findings": findings, "verdict": word_for(findings)})


def text_of(data: object, name: str) -> str:
    """Return a text from evidence; empty if it is missing, or something else."""
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, str) else ""
