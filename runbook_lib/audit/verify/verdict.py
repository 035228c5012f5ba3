"""What verification says of a run: one word, and every finding behind it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["VERDICT_VERSION", "Finding", "Kind", "Part", "Signer", "Verdict", "Word", "decide"]

VERDICT_VERSION = 1
"""Version of the verdict's fields, as `runbook audit verify --json` writes them."""


class Word(StrEnum):
    """A run's evidence in one word. It says nothing of how the run ended: that is `status`."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    ALTERED = "altered"
    INCOMPLETE = "incomplete"
    FOREIGN = "foreign"


class Kind(StrEnum):
    """What a finding does to the verdict; `warning` and `note` leave it as it is."""

    ALTERED = "altered"
    MISSING = "missing"
    FOREIGN = "foreign"
    UNSIGNED = "unsigned"
    WARNING = "warning"
    NOTE = "note"


Part = Literal["attestation", "journal", "notebook", "output", "parameters", "source", "files"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Model):
    """One thing that was found.

    Args:
        where: File, line, step or cell.
        message: What it is, in a sentence.
        diff: The difference, as unified diff; empty where there is none to show.
    """

    kind: Kind
    part: Part
    where: str = ""
    message: str
    diff: str = ""


class Signer(_Model):
    """One signature.

    Args:
        name: The key's holder, from the trusted keys' file names; empty where the key is not trusted.
        valid: Whether the signature holds; None where its public key is not at hand.
        trusted: Whether it holds by a key that is trusted.
    """

    key_id: str
    name: str = ""
    valid: bool | None = None
    trusted: bool = False


class Verdict(_Model):
    """What is known of one run, and what its evidence is worth.

    Args:
        path: What was looked at.
        run: The run's id, as its journal (or else its notebook) tells it; empty where nothing does.
        status: As told by the evidence: `unknown` where the run's end is not.
        result: The attestation's: PASSED, WARNED or FAILED; empty where there is none.
        sealed: Who sealed it, where, when, and whether later than at its end, as the attestation says.
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


_DECIDES = [
    (Kind.FOREIGN, Word.FOREIGN),
    (Kind.ALTERED, Word.ALTERED),
    (Kind.MISSING, Word.INCOMPLETE),
    (Kind.UNSIGNED, Word.UNSIGNED),
]


def decide(findings: list[Finding]) -> Word:
    """Return the word that the worst finding makes."""
    kinds = {finding.kind for finding in findings}
    return next((word for kind, word in _DECIDES if kind in kinds), Word.VERIFIED)
