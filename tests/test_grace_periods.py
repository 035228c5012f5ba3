"""Grace periods nest: an outer period is longer than the inner ones it waits for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runbook_lib import grace_periods

TOP = Path(__file__).parents[1]

# What each period waits for, in turn: it must be longer than all of them together.
WAITS_FOR = {
    "TERMINATION_COMMAND": ["COMMAND_AFTER_TERM", "COMMAND_AFTER_KILL"],
    "TERMINATION_COMMANDS": ["TERMINATION_COMMAND"],
    "PERSISTENT_PROCESS_ANSWER": ["LOCK_TAKEOVER"],
    "KERNEL": [
        "COMMAND_AFTER_INTERRUPT",
        "TERMINATION_COMMAND",
        "TERMINATION_COMMANDS",
        *("ROLLBACK", "COMMAND_AFTER_INTERRUPT", "TERMINATION_COMMANDS"),  # the step's own rollback
        *("ROLLBACK", "COMMAND_AFTER_INTERRUPT", "TERMINATION_COMMANDS"),  # its transaction's
        "PERSISTENT_PROCESS",
    ],
    "RUN": ["KERNEL"],
    "FLEET": ["RUN", "IDLE_WORKER"],
    "BACKGROUND_CHAIN": ["FLEET", "FORK_SERVER"],
}


@pytest.mark.parametrize("outer", WAITS_FOR)
def test_an_outer_period_outlasts_the_inner_ones(outer: str) -> None:
    inner = sum(getattr(grace_periods, name) for name in WAITS_FOR[outer])
    assert getattr(grace_periods, outer) > inner


def test_outer_periods_are_computed_from_the_inner_ones() -> None:
    source = (TOP / "runbook_lib" / "grace_periods.py").read_text(encoding="utf-8")
    names_in = {
        target.id: {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }

    def reached(name: str) -> set[str]:
        return names_in[name] | {inner for used in names_in[name] for inner in reached(used)}

    for outer, inner in WAITS_FOR.items():
        assert set(inner) <= reached(outer), f"{outer} must be computed from {inner}"


def test_no_other_module_sets_a_grace_period() -> None:
    """By name: a new wait for the end of something belongs into the one module."""
    words = ("GRACE", "EXIT_TIMEOUT", "KILL_TIMEOUT", "ENDS_WITHIN")
    found = [
        f"{path.relative_to(TOP)}: {target.id}"
        for path in sorted((TOP / "runbook_lib").rglob("*.py"))
        if path.name != "grace_periods.py"
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and any(word in target.id for word in words)
    ]
    assert found == []
