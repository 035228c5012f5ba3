"""Rules about what was sent to hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from runbook_lib.audit.rules.base import AuditRule, Context, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CommandOutsideStep", "ForbiddenCommand"]

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
    def _compile(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ValueError(f"{pattern!r} is not a regular expression: {problem}") from problem
        return patterns

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each command and each pattern that it matches."""
        patterns = [re.compile(pattern) for pattern in self.patterns]
        for row in context.rows(_SENT):
            for pattern in patterns:
                if pattern.search(row["text"]) or pattern.search(row["stdin"] or ""):
                    message = f"command {row['number']} matches the forbidden pattern {pattern.pattern!r}"
                    yield Violation(row["run"], message, row["step"], row["host"], row["number"])


class CommandOutsideStep(AuditRule):
    """A shell command run with %%on: it has no plan, no checks and no rollback."""

    def find(self, context: Context) -> Iterator[Violation]:
        """Yield each such command."""
        for row in context.rows(_SHELL):
            message = f"command {row['number']} is a shell command: no operation planned or checked it"
            yield Violation(row["run"], message, row["step"], row["host"], row["number"])
