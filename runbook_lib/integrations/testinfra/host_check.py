"""A predicate about a host as a read-only operation: it asks, the step sends and records, the result is a check."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import OperationError, ParameterError
from runbook_lib.facts.base import Fact
from runbook_lib.integrations.testinfra.backend import make_host
from runbook_lib.integrations.testinfra.exchange import SLICE, Ended, Exchange, run_in_thread
from runbook_lib.masking import excerpt
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.facts.base import Facts
    from runbook_lib.host_settings import Host
    from runbook_lib.model.commands import Command, Output

__all__ = ["AskedCommand", "HostCheck", "for_hosts"]

_LONGEST = 500  # characters of a value or a message in a check


@dataclass(frozen=True)
class AskedCommand(Fact["CommandAnswer"]):
    """The output of a command that a predicate asks for, whatever its exit code.

    Args:
        number: Ordinal in the predicate; a predicate may ask the same thing twice.
        command: What is sent.
    """

    number: int
    command: Command

    def request(self) -> Command:
        """Return the command; it accepts every exit code, the predicate judges."""
        return replace(self.command, accept=tuple(range(256)))

    def parse(self, output: Output) -> CommandAnswer:
        """Return the output."""
        return CommandAnswer(output)

    @property
    def label(self) -> str:
        """Number and command."""
        return f"{self.number}: {excerpt(self.command.argv[-1], 200)}"


class CommandAnswer:
    """An output that is recorded with its command already; as a fact only the exit code is shown."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def __str__(self) -> str:
        return f"exit code {self.output.exit_code}"


@dataclass
class _Evaluation:
    """One call of the predicate."""

    exchange: Exchange | None = None
    until: float = 0.0
    asked: AskedCommand | None = None
    ended: Ended | None = None


@dataclass(frozen=True, eq=False)
class HostCheck(Probe):
    """A predicate holds for a host.

    Args:
        title: What is checked.
        hostname: The host's name.
        predicate: Gets testinfra's host.
        expected: What it returns if the check holds.
        timeout: Seconds that it may take, with the commands that it sends.
    """

    title: str
    hostname: str
    predicate: Callable[[Any], object]
    expected: object
    timeout: float
    _evaluation: _Evaluation = field(default_factory=_Evaluation, repr=False)

    def facts(self) -> Sequence[Fact[Any]]:
        """Begin to call the predicate; which facts it needs, it asks one after another."""
        now = self._evaluation
        now.until, now.asked, now.ended = time.monotonic() + self.timeout, None, None
        now.exchange = run_in_thread(
            lambda exchange: self.predicate(make_host(self.hostname, exchange.ask, self.timeout)),
            self.timeout,
        )
        return ()

    def further_facts(self, facts: Facts) -> Sequence[Fact[Any]] | None:
        """Hand over the last answer, and return the command that the predicate asks for next."""
        now = self._evaluation
        if now.exchange is None or now.ended:
            return ()
        if now.asked:
            now.exchange.answer(facts[now.asked].output)
            now.asked = None
        left = now.until - time.monotonic()
        wanted = now.exchange.wait(max(0.0, min(SLICE, left)))
        if wanted is None and left > 0:
            return None
        if wanted is None or isinstance(wanted, Ended):
            now.ended = wanted or Ended(hung=True)
            return ()
        now.asked = AskedCommand(len(list(facts)) + 1, replace(wanted, timeout=max(0.1, left)))
        return (now.asked,)

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - the predicate has had them
        """Return one check: what the predicate returned, or why it did not."""
        ended = self._evaluation.ended or Ended(hung=True)
        if ended.hung:
            observed = f"no result after {self.timeout:g} s"
        elif ended.problem:
            observed = _raised(ended.problem)
        elif isinstance(self.expected, bool) and not isinstance(ended.value, bool):
            observed = (
                f"{excerpt(repr(ended.value), _LONGEST)}, which is neither True nor False: "
                "compare it in the predicate, or give expected=..."
            )
        else:
            return [
                Check(
                    self.title,
                    excerpt(repr(self.expected), _LONGEST),
                    excerpt(repr(ended.value), _LONGEST),
                    bool(type(ended.value) is type(self.expected) and ended.value == self.expected),
                    "check.result",
                )
            ]
        return [Check(self.title, repr(self.expected), observed, holds=False, id="check.result")]

    def describe(self) -> str:
        """Return title, predicate and what is expected."""
        name = getattr(self.predicate, "__qualname__", repr(self.predicate))
        return f"check({self.title!r}, {name}, expected={self.expected!r}, timeout={self.timeout:g})"


def _raised(problem: BaseException) -> str:
    """Return what a predicate raised, with its line; an assertion without a message is its line."""
    if isinstance(problem, OperationError):
        return problem.message
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.line]
    place = f" in `{frames[-1].line.strip()}`" if frames and frames[-1].line else ""
    return excerpt(f"{type(problem).__name__}{f': {problem}' if str(problem) else ''}{place}", _LONGEST)


def for_hosts(
    title: str, predicate: Callable[[Any], object], expected: object, timeout: float
) -> Callable[[Host], HostCheck]:
    """Return a function from a host to its check; see `runbook_lib.integrations.testinfra.check`."""
    if not callable(predicate):
        raise ParameterError(
            f"the predicate must be a function of a host, not {excerpt(repr(predicate), 80)}",
            where=f"check {title!r}",
            hint="write `lambda host: ...`",
        )
    if not timeout > 0:
        raise ParameterError(f"the timeout must be positive, not {timeout!r}", where=f"check {title!r}")
    return lambda host: HostCheck(title, host.name, predicate, expected, timeout)
