"""What verification finds: a collector that the steps of a verifier add to.

Evidence may contain anything. `Findings.part` turns an exception about malformed evidence into a finding, so a verifier
always ends with a verdict.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "Findings", "Kind", "Part"]

_LONGEST = 600  # characters of a message
# What code raises that takes evidence for what a run writes, while it is something else.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    RunbookError,
    TypeError,
    ValueError,
)

Part = Literal["attestation", "journal", "notebook", "output", "parameters", "source", "files"]
"""The part of the evidence that a finding is about."""


class Kind(StrEnum):
    """How a finding affects the verdict; `warning` and `note` do not."""

    ALTERED = "altered"
    MISSING = "missing"
    FOREIGN = "foreign"
    UNSIGNED = "unsigned"
    WARNING = "warning"
    NOTE = "note"


class Finding(BaseModel):
    """One thing that was found.

    Args:
        where: File, line, step or cell.
        message: What was found, in a sentence.
        diff: The difference as a unified diff; empty if there is none to show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    part: Part
    where: str = ""
    message: str
    diff: str = ""


class Findings:
    """Collects findings, each about the part of the evidence that is being checked.

    >>> findings = Findings()
    >>> with findings.part("journal", "journal.jsonl"):
    ...     findings.missing("no end-of-run line")
    >>> [str(finding.kind) for finding in findings]
    ['missing']
    """

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._part: tuple[Part, str] = ("files", "")

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    @contextmanager
    def part(self, part: Part, where: str) -> Iterator[None]:
        """Check one part: findings are about it, and malformed evidence ends the block with one more finding.

        Args:
            part: The part.
            where: The file that findings name if they name no place of their own.
        """
        before, self._part = self._part, (part, where)
        try:
            yield
        except _MALFORMED as problem:
            known = (
                problem.message
                if isinstance(problem, RunbookError)
                else f"{type(problem).__name__}: {problem}"
            )
            self.altered(f"contains something that no run writes: {known}", where=where)
        finally:
            self._part = before

    def altered(
        self, message: str, *, where: str | None = None, part: Part | None = None, diff: str = ""
    ) -> None:
        """Add that something was changed, or does not fit the rest."""
        self._add(Kind.ALTERED, message, where, part, diff)

    def missing(self, message: str, *, where: str | None = None, part: Part | None = None) -> None:
        """Add that something is missing or cannot be read."""
        self._add(Kind.MISSING, message, where, part)

    def foreign(self, message: str, *, where: str | None = None, part: Part | None = None) -> None:
        """Add that something was not written by this library."""
        self._add(Kind.FOREIGN, message, where, part)

    def unsigned(self, message: str, *, where: str | None = None, part: Part | None = None) -> None:
        """Add that a trusted signature is missing."""
        self._add(Kind.UNSIGNED, message, where, part)

    def warning(self, message: str, *, where: str | None = None, part: Part | None = None) -> None:
        """Add something that an auditor should look at, without effect on the verdict."""
        self._add(Kind.WARNING, message, where, part)

    def note(self, message: str, *, where: str | None = None, part: Part | None = None) -> None:
        """Add something that an auditor should know, without effect on the verdict."""
        self._add(Kind.NOTE, message, where, part)

    def _add(self, kind: Kind, message: str, where: str | None, part: Part | None, diff: str = "") -> None:
        current, place = self._part
        self._found.append(
            Finding(
                kind=kind,
                part=part or current,
                # What is not UTF-8 can be in no verdict.
                where=path_text(place if where is None else where),
                message=_encodable(message[:_LONGEST]),
                diff=_encodable(diff),
            )
        )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
