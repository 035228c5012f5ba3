"""Rules about what was sent to hosts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from runbook_lib.audit.rules.base import AuditRule, Context, Violation
from runbook_lib.audit.rules.patterns import check_pattern, search

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CommandOutsideStep", "ForbiddenCommand"]

_BATCH = 1000  # commands that are searched at once
_SENT = """
SELECT c.run, c.step, c.host, c.number, c.text, c.stdin FROM commands c JOIN examined r ON r.run = c.run
WHERE c.sent ORDER BY c.run, c.number
"""
_SHELL = """
SELECT c.run, c.step, c.host, c.number FROM commands c JOIN examined r ON r.run = c.run
WHERE c.sent AND c.kind = 'shell' ORDER BY c.run, c.number
"""


class ForbiddenCommand(AuditRule):
    """A command, or its standard input, that matches a forbidden pattern."""

    patterns: list[str] = Field(min_length=1, description="Regular expressions, searched for anywhere.")

    @field_validator("patterns")
    @classmethod
    def _check(cls, patterns: list[str]) -> list[str]:
        return [check_pattern(pattern) for pattern in patterns]

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each command and each pattern that it matches."""
        rows = context.rows(_SENT)
        while batch := list(islice(rows, _BATCH)):
            texts, stdins = ([row[name] for row in batch] for name in ("text", "stdin"))
            found = [(pattern, search(pattern, texts), search(pattern, stdins)) for pattern in self.patterns]
            for number, row in enumerate(batch):
                for pattern, in_text, in_stdin in found:
                    if in_text[number] or in_stdin[number]:
                        message = f"command {row['number']} matches the forbidden pattern {pattern!r}"
                        yield Violation(
                            row["run"], message, row["step"], row["host"], row["number"], detail=pattern
                        )


class CommandOutsideStep(AuditRule):
    """A shell command run with %%on or %%look: it has no plan, no checks and no rollback."""

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such command."""
        for row in context.rows(_SHELL):
            message = f"command {row['number']} is a shell command: no operation planned or checked it"
            yield Violation(row["run"], message, row["step"], row["host"], row["number"], detail="")
