"""What an audit rule is: a class whose fields are its settings, and which yields what violates it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["AuditRule", "Context", "Finding", "Level", "Violation"]

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Context:
    """What a rule examines.

    Args:
        archive: The runs.
        now: The time of the scan.
        since: Only runs started since then are examined; None: all.
        trust: Trusted public keys, or folders of them; none: the project's `trusted_keys`.
    """

    archive: Archive
    now: datetime
    since: datetime | None = None
    trust: Sequence[str | Path] = ()

    def rows(self, sql: str, *values: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - for the question marks
        """Yield the rows of a SELECT over the archive's tables and `examined`: the runs started since `since`.

        Args:
            sql: The SELECT, in DuckDB's SQL.
            values: Values for its question marks.
        """
        limit = f"WHERE started >= TIMESTAMPTZ '{self.since.isoformat()}'" if self.since else ""
        examined = f"WITH examined AS (SELECT * FROM runs {limit})"  # noqa: S608 - a time of our own
        table = self.archive.query(f"{examined} {sql}", list(values))
        for batch in table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


@dataclass(frozen=True)
class Violation:
    """Something that violates a rule.

    Args:
        run: The run's id; empty if it is not about one run.
        message: What is wrong, in a sentence. Never put a secret into it.
        step: The step's number, or 0.
        host: The host, or empty.
        command: The command's number, or 0.
        detail: What distinguishes it from other violations of the rule at the same place, the same in every scan of
            the same evidence; it becomes part of the finding's name. None: the message.
    """

    run: str
    message: str
    step: int = 0
    host: str = ""
    command: int = 0
    detail: str | None = None


class AuditRule(BaseModel):
    """Base of all rules; the first line of a rule's docstring says what the rule finds.

    The fields of a rule are the settings that a policy can give it. A rule is known by the name of its entry point
    in the group `runbook_lib.audit_rules`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level = Field(default="error", description="How severe a violation is.")

    @abstractmethod
    def find(self, context: Context) -> Iterator[Violation]:
        """Yield the violations in an archive.

        Raises:
            InputError: A setting names a file that cannot be used.
        """

    @classmethod
    def purpose(cls) -> str:
        """Return what the rule finds, from the first line of its docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class Finding:
    """A violation, with the rule that found it.

    Args:
        rule: The rule's name.
        level: How severe the policy says it is.
        run: As in `Violation`, like all that follow.
    """

    rule: str
    level: Level
    run: str
    message: str
    step: int = 0
    host: str = ""
    command: int = 0
    detail: str | None = None
