"""What every fuzz target has in common: a bound on computing time, and a number of examples that fits the occasion.

In the suite each target tries few examples, always the same ones. `make fuzz MINUTES=60` tries new ones for an hour;
what it finds becomes an ordinary test next to those of the parser.
"""

from __future__ import annotations

import contextlib
import functools
import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy

    from runbook_lib.errors import RunbookError

__all__ = ["EXAMPLES", "PROFILE", "bounded", "fuzzed", "one_message"]

PROFILE = "fuzz"
"""The profile of `make fuzz`; the suite has `tests`."""
EXAMPLES: Counter[str] = Counter()
"""How many examples each target has tried in this process."""
_ROUND = 10  # times as many examples as in the suite, before the clock is looked at
_CPU = 10.0  # seconds of computing for one example; a busy machine does not use them up


def fuzzed(
    examples: int, **drawn: SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test a fuzz target.

    Args:
        examples: How many the suite tries; together the targets may take a few seconds.
        drawn: A strategy for each argument that is not a fixture.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def one_example(*arguments: Any, **values: Any) -> None:  # noqa: ANN401 - what the test takes
            EXAMPLES[test.__name__] += 1
            with bounded():
                test(*arguments, **values)

        number = examples * _ROUND if settings.get_current_profile_name() == PROFILE else examples
        tuned = settings(max_examples=number, suppress_health_check=[*HealthCheck])
        return tuned(given(**drawn)(one_example))

    return decorate


@contextlib.contextmanager
def bounded(seconds: float = _CPU) -> Iterator[None]:
    """Fail if a block computes for too long: an input of some kilobytes must never do that.

    Args:
        seconds: Of this process's own computing time.
    """

    def stop(_number: int, _frame: object) -> None:
        raise AssertionError(f"more than {seconds:g} s of computing for one input")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def one_message(problem: RunbookError, *names: object) -> None:
    """Check that an error says one thing that can be printed and written to a record, and what it is about.

    Args:
        problem: The error.
        names: What it has to name, such as the file.
    """
    assert problem.message.strip(), repr(problem)
    assert len(problem.message) < 4000, f"a message of {len(problem.message)} characters"
    assert "Traceback" not in problem.message
    for name in names:
        assert str(name) in str(problem), f"{problem} does not name {name}"
    json.dumps(str(problem)).encode("ascii")
