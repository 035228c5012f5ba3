"""Rules about what was sent to hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from runbook_lib.audit.rules.base import Context, Finding, Settings, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command_outside_step", "forbidden_command"]

_SENT = """
SELECT c.run, c.step, c.host, c.number, c.text, c.stdin FROM commands c JOIN judged r ON r.run = c.run
WHERE c.sent ORDER BY c.run, c.number
"""
_SHELL = """
SELECT c.run, c.step, c.host, c.number FROM commands c JOIN judged r ON r.run = c.run
WHERE c.sent AND c.kind = 'shell' ORDER BY c.run, c.number
"""


class Patterns(Settings):
    """For `forbidden-command`."""

    patterns: list[str] = Field(min_length=1, description="Regular expressions, searched for anywhere.")

    @field_validator("patterns")
    @classmethod
    def _are_expressions(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ValueError(f"{pattern!r} is no regular expression: {problem}") from problem
        return patterns


@rule("forbidden-command", Patterns)
def forbidden_command(context: Context, settings: Patterns) -> Iterator[Finding]:
    """A command, or what was handed to it, that matches a forbidden pattern."""
    wanted = [re.compile(pattern) for pattern in settings.patterns]
    for row in context.rows(_SENT):
        for pattern in wanted:
            if pattern.search(row["text"]) or pattern.search(row["stdin"] or ""):
                message = f"command {row['number']} matches the forbidden pattern {pattern.pattern!r}"
                place = (row["step"], row["host"], row["number"])
                yield Finding("forbidden-command", settings.level, row["run"], message, *place)


@rule("command-outside-step", Settings)
def command_outside_step(context: Context, settings: Settings) -> Iterator[Finding]:
    """Free shell, run with %%on: it has no plan, no checks and no way back."""
    for row in context.rows(_SHELL):
        message = f"command {row['number']} is free shell: no operation planned or checked it"
        place = (row["step"], row["host"], row["number"])
        yield Finding("command-outside-step", settings.level, row["run"], message, *place)
