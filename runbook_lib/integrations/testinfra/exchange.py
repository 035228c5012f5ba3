"""The two sides of a check: a predicate asks for the outputs of commands, and a step sends them and records them."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.model.commands import Command, Output

__all__ = ["SLICE", "Ended", "Exchange", "run_in_thread"]

SLICE = 0.2
"""Seconds that a step waits for a command before it looks whether the run was interrupted."""

_ABANDONED = 60.0  # seconds after its timeout in which a predicate that waits for an answer ends


@dataclass(frozen=True)
class Ended:
    """How the side that asks has ended.

    Args:
        value: What the predicate returned.
        problem: What it raised.
        hung: It did not return in time.
    """

    value: object = None
    problem: BaseException | None = None
    hung: bool = False


class Exchange:
    """Commands in one direction, outputs in the other; each side is one thread.

    Args:
        seconds: After which the side that asks gives up, should the other side have ended without a word.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._commands: queue.SimpleQueue[Command | Ended] = queue.SimpleQueue()
        self._outputs: queue.SimpleQueue[Output | OperationError] = queue.SimpleQueue()

    def ask(self, command: Command) -> Output:
        """Return the output of a command, once the other side has sent it.

        Raises:
            OperationError: It could not be sent, or has no exit code.
        """
        __tracebackhide__ = True  # from pytest: a test shows its own lines
        self._commands.put(command)
        left = None if self._until is None else max(0.0, self._until - time.monotonic())
        try:
            answer = self._outputs.get(timeout=left)
        except queue.Empty:
            raise OperationError(f"`{command.text}` was not sent: the step has ended") from None
        if isinstance(answer, OperationError):
            self._outputs.put(answer)  # also for whatever is asked later
            raise answer
        return answer

    def end(self, ended: Ended) -> None:
        """Report that nothing more will be asked."""
        self._commands.put(ended)

    def answer(self, output: Output) -> None:
        """Hand over the output of the last command."""
        self._outputs.put(output)

    def close(self, reason: str) -> None:
        """Report that nothing more will be answered."""
        self._outputs.put(OperationError(reason))

    def wait(self, seconds: float) -> Command | Ended | None:
        """Return the next command, or how the other side has ended; None if neither comes in time.

        Args:
            seconds: To wait at most.
        """
        try:
            return self._commands.get(timeout=seconds)
        except queue.Empty:
            return None


def run_in_thread(predicate: Callable[[Exchange], object], seconds: float) -> Exchange:
    """Call a predicate in a thread of its own, which ends with it, and return the exchange with it.

    Args:
        predicate: Asks over the exchange.
        seconds: That it may take; an unanswered question ends some time later.
    """
    exchange = Exchange(seconds + _ABANDONED)

    def call() -> None:
        try:
            ended = Ended(value=predicate(exchange))
        except BaseException as problem:  # noqa: BLE001 - whatever a predicate raises is its outcome
            ended = Ended(problem=problem)
        exchange.end(ended)

    threading.Thread(target=call, name="predicate of a check", daemon=True).start()
    return exchange
