"""`make fuzz`: each target is tried again and again, with new examples, until its share of the time is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.harness import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_rounds: dict[str, tuple[int, float]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    minutes = pyfuncitem.config.getoption("fuzz")
    if not minutes or not hasattr(pyfuncitem.obj, "hypothesis"):
        return (yield)
    targets = sum(hasattr(getattr(item, "obj", None), "hypothesis") for item in pyfuncitem.session.items)
    began, rounds = time.monotonic(), 1
    values = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}  # noqa: SLF001 - as pytest
    try:
        result = yield
        while time.monotonic() - began < minutes * 60 / targets:
            pyfuncitem.obj(**values)
            rounds += 1
    finally:
        _rounds[pyfuncitem.originalname] = rounds, time.monotonic() - began
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rounds:
        return
    terminalreporter.section("fuzzing")
    for name, (rounds, seconds) in _rounds.items():
        terminalreporter.write_line(
            f"{name}: {EXAMPLES[name]} examples in {rounds} rounds, {seconds / 60:.1f} minutes"
        )
    total = sum(seconds for _, seconds in _rounds.values())
    terminalreporter.write_line(f"together: {sum(EXAMPLES.values())} examples, {total / 60:.1f} minutes")
