"""In which order tests run, and which of them have to run in one process.

The order is by module: what takes minutes begins first, so that at the end nobody waits for one worker. With
`--shuffle SEED` modules, and the tests inside each, come in a random order instead: no test may depend on
another's leftovers. A module whose tests build on each other says so with `pytest.mark.in_order`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["arrange", "group_of"]

# Seconds of a module on an idle machine, for those that take longest; all others follow in their own order.
_LABS = {"can_have_lab", "session_lab", "scenario_lab", "kernel_lab"}
_LONG: dict[str, int] = {}
# Modules whose tests share nothing that is costly to make, and take long: one process for each test.
_APART = (
    "tests/connections/",
    "tests/execution/",
    "tests/pytest_plugin/",
    "tests/runbook/",
    "tests/scenarios/test_chapter_killed.py",
)


def group_of(item: pytest.Item) -> str | None:
    """Return the name of the group of tests that one process runs; nothing for a test of its own.

    A test's own mark counts first. Else a module is a group, since its tests share fixtures.
    """
    if item.get_closest_marker("xdist_group"):
        return None
    module = item.nodeid.split("::")[0]
    if item.get_closest_marker("in_order") or not module.startswith(_APART):
        return module
    return None


def arrange(items: list[pytest.Item], seed: str | None) -> None:
    """Put collected tests in order, and mark the groups for pytest-xdist."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.split("::")[0], []).append(item)
    items[:] = _flat(_long_first(modules) if seed is None else _shuffled(modules, seed))
    for item in items:
        if _LABS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.lab)
        group = group_of(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _flat(modules: Iterable[list[pytest.Item]]) -> list[pytest.Item]:
    return [item for module in modules for item in module]


def _long_first(modules: dict[str, list[pytest.Item]]) -> list[list[pytest.Item]]:
    return [modules[name] for name in sorted(modules, key=lambda name: -_LONG.get(name, 0))]


def _shuffled(modules: dict[str, list[pytest.Item]], seed: str) -> list[list[pytest.Item]]:
    # Text as a seed: the same on every worker, whatever its hash seed.
    dice = random.Random(seed)  # noqa: S311 - an order, not a secret
    shuffled = list(modules.values())
    dice.shuffle(shuffled)
    for tests in shuffled:
        if not tests[0].get_closest_marker("in_order"):
            dice.shuffle(tests)
    return shuffled
