"""How many bytes hosts may send: a bound per stream of a command, and a bound for all commands of a run.

Every byte that arrives counts, wherever it comes from: both streams of a command, also what precedes the command's own
output, and the answers of Docker engines. A command that exceeds a bound is ended, and its record says `cut`.
"""

from __future__ import annotations

import threading

__all__ = ["OutputBudget", "OutputLimit"]

_RECENT = 2048  # bytes of standard output that are kept for `last_line`


class OutputBudget:
    """The bounds of one run; used by the threads of all its hosts.

    Args:
        per_stream: Most bytes of one stream.
        per_run: Most bytes of all streams together.
    """

    def __init__(self, per_stream: int, per_run: int) -> None:
        self.per_stream = per_stream
        self.per_run = per_run
        self._received = 0
        self._lock = threading.Lock()

    def limit(self, *, may_exceed_run: bool = False) -> OutputLimit:
        """Return the limit for one command.

        Args:
            may_exceed_run: Only `per_stream` limits it, as for a rollback: it must work at the end of the budget too.
        """
        return OutputLimit(self, may_exceed_run=may_exceed_run)

    def receive(self, size: int) -> int:
        """Count bytes that have arrived; return how many of them are within the budget of the run."""
        with self._lock:
            left = max(0, self.per_run - self._received)
            self._received += size
            return min(size, left)


class OutputLimit:
    """The limit for one command, or for one answer of a Docker engine.

    Args:
        budget: The run's budget.
        may_exceed_run: Only the bound per stream applies.
    """

    def __init__(self, budget: OutputBudget, *, may_exceed_run: bool = False) -> None:
        self._budget = budget
        self._may_exceed_run = may_exceed_run
        self._sizes: dict[str, int] = {}
        self._recent = b""
        self._dropped = False
        self.cut = ""

    @property
    def last_line(self) -> str:
        """The last complete line of standard output so far, for a person who waits; empty if there is none.

        A line whose beginning is not kept is left out: it may begin inside of a secret value, which no mask finds.
        """
        lines = self._recent.rpartition(b"\n")[0].decode(errors="replace").split("\n")[self._dropped :]
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def accept(self, stream: str, piece: bytes, most: int | None = None) -> bytes:
        """Count bytes that have arrived; return those within the limit. Sets `cut` if there are more.

        Args:
            stream: Its name, such as `stdout`.
            piece: The bytes.
            most: A bound for this stream that is lower than the run's, if any.
        """
        if self.cut:
            return b""
        size = self._sizes.get(stream, 0)
        bound, name = self._budget.per_stream, " (max_stream_bytes)"
        if most is not None and most < bound:
            bound, name = most, ""
        allowed = min(len(piece), bound - size)
        in_run = self._budget.receive(len(piece))
        if allowed < len(piece):
            self.cut = f"cut: {stream} exceeds {bound} bytes{name}"
        elif in_run < len(piece) and not self._may_exceed_run:
            allowed = in_run
            self.cut = f"cut: the output of the run exceeds {self._budget.per_run} bytes (max_run_bytes)"
        self._sizes[stream] = size + allowed
        if stream == "stdout":
            recent = self._recent + piece[:allowed]
            self._dropped = self._dropped or len(recent) > _RECENT
            self._recent = recent[-_RECENT:]
        return piece[:allowed]
