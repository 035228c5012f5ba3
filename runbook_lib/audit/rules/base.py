"""What a rule is, what it finds, and where it stands to be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["RULES", "Context", "Finding", "Level", "Rule", "Settings", "rule"]

Level = Literal["error", "warning", "note"]


class Settings(BaseModel):
    """What every rule can be given in a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level = Field(default="error", description="How much it matters.")


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Context:
    """What a rule looks at.

    Args:
        archive: The runs.
        now: The time of the scan.
        since: Only runs begun since then are judged; None: all.
        trust: Public keys that count, or folders of them; none: the project's `trusted_keys`.
    """

    archive: Archive
    now: datetime
    since: datetime | None = None
    trust: Sequence[Path] = ()

    def rows(self, sql: str, *values: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - for the question marks
        """Yield the rows that a SELECT gives; of runs, `judged` holds those begun since `since`."""
        limit = f"WHERE started >= TIMESTAMPTZ '{self.since.isoformat()}'" if self.since else ""
        judged = f"WITH judged AS (SELECT * FROM runs {limit})"  # noqa: S608 - a time of our own
        table = self.archive.query(f"{judged} {sql}", list(values))
        for batch in table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Args:
        rule: Its name.
        level: How much it matters.
        run: The run, or nothing where it is about none.
        message: What is wrong, in a sentence. It never holds a secret.
        step: The step's number, or 0.
        host: The host, or nothing.
        command: The command's number, or 0.
    """

    rule: str
    level: Level
    run: str
    message: str
    step: int = 0
    host: str = ""
    command: int = 0


@dataclass(frozen=True)
class Rule:
    """A rule.

    Args:
        name: As in the policy.
        purpose: What it finds, in a sentence.
        settings: What it can be given.
        find: Yields what it finds.
    """

    name: str
    purpose: str
    settings: type[Settings]
    find: Callable[[Context, Any], Iterator[Finding]]


RULES: dict[str, Rule] = {}
"""Rules by name."""


def rule(
    name: str, settings: type[S]
) -> Callable[[Callable[[Context, S], Iterator[Finding]]], Callable[[Context, S], Iterator[Finding]]]:
    """Register a function as a rule; the first line of its docstring tells its purpose.

    Args:
        name: As in the policy.
        settings: The class of its second argument.
    """

    def register(
        find: Callable[[Context, S], Iterator[Finding]],
    ) -> Callable[[Context, S], Iterator[Finding]]:
        purpose = (find.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        RULES[name] = Rule(name, purpose, settings, find)
        return find

    return register
