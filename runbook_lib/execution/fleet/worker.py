"""A process that carries units out, one after another: a line of JSON in, a line of JSON out.

`python -m runbook_lib.execution.fleet.worker`; see `runbook_lib.execution.fleet.worker_pool`. Each run has its
main thread, where signals are heard, and what was imported for one run is there for the next.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from runbook_lib.execution.fast_import import load_papermill
from runbook_lib.execution.fleet.job import Result, Unit

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Worker:
    """Hears signals also while no run is there to hear them."""

    def __init__(self) -> None:
        self._stopped = 0
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def carry_out(self, unit: Unit) -> Result:
        """Carry a unit out, unless this process was told to stop."""
        if self._stopped:
            return Result(unit.id, problem="not begun: interrupted")
        from runbook_lib.execution.fleet.run_job import carry_out  # noqa: PLC0415 - papermill is loaded quickly before

        return carry_out(unit, self._tell)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stopped = number

    def _tell(self, entry: dict[str, Any]) -> None:
        # The signal came before the run could hear it: now it can.
        if entry["event"] == "run_started" and self._stopped:
            os.kill(os.getpid(), self._stopped)


def main() -> None:
    """Read units until there are no more."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    logging.getLogger("papermill").setLevel(logging.ERROR)  # parameters were checked, and more strictly
    # What kernels and libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = _Worker()
    load_papermill()
    for line in sys.stdin:
        result = worker.carry_out(Unit.of(line))
        try:
            answers.write(f"{result.json}\n")
            answers.flush()
        except BrokenPipeError:
            # Whoever asked has died; the run's own journal tells what came of it.
            os._exit(0)


if __name__ == "__main__":
    main()
