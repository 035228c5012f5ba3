"""The kinds of steps and commands in a record, and what follows from a kind.

A new kind is named here; the tables and `docs/tables.md` take its name from here, `docs/architecture.md` lists it.
"""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["ADDED_BY_RUN", "CHANGING", "CommandKind", "StepKind", "current_kind"]

CommandKind = Literal["fact", "change", "guard", "rollback", "shell", "termination"]
"""What a command is for; `termination` ends a command that the run no longer waits for."""
_KINDS_BEFORE_2: dict[object, CommandKind] = {"ending": "termination"}

CHANGING: frozenset[CommandKind] = frozenset({"change", "guard", "shell"})
"""Kinds of commands that may change a host: a transaction rolls a step back if one of them was sent."""

StepKind = Literal["operation", "facts", "shell", "rollback", "untouched"]
"""What a step does: reach a desired state, read facts, or run a script. The run itself adds two more kinds:
`rollback` of a transaction, and `untouched`, which lists the hosts of batches that were not begun."""

ADDED_BY_RUN: frozenset[StepKind] = frozenset({"rollback", "untouched"})
"""Kinds of steps that no cell of the notebook asks for: whether a run has them depends on its failures."""


def current_kind(kind: Any) -> Any:  # noqa: ANN401 - evidence may hold anything
    """Return today's name of a command's kind: evidence of schema version 1 says `ending` for `termination`.

    This is the only place that knows the old name. Every record read goes through it, and so do the rows of the
    tables, which are also made from evidence that was not turned into records.
    """
    return _KINDS_BEFORE_2.get(kind, kind) if isinstance(kind, str) else kind
