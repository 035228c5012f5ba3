"""What is ended when the tests' own process is killed, or gives up after Ctrl-C before it has cleaned up.

`python -m tests.aftermath` reads from its standard input what was begun and what has ended. When that input ends it
ends the rest: process groups and labs. Each process that runs tests has one of its own, in a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runbook_lib.process_identity import start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["AFTERMATH", "Aftermath"]

TOP = Path(__file__).parents[1]


class Aftermath:
    """Knows what is begun. Nothing is started before the first thing is."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @contextlib.contextmanager
    def lab(self, name: str) -> Iterator[None]:
        """Take a lab down should this process end inside of the block; not one that is up already."""
        from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - few test sessions have a lab

        if Lab.open(name).status().phase != "absent":
            yield
            return
        self._say("begun", "lab", name)
        yield
        self._say("ended", "lab", name)

    def begun(self, process: subprocess.Popen[Any]) -> None:
        """Kill the process group that this process leads should ours end first."""
        self._say("begun", "group", f"{process.pid}:{start_ticks(process.pid)}")

    def close(self) -> None:
        """Say that nothing more will come, and wait for the end of what is left."""
        if self._process:
            self._process.communicate()

    def _say(self, *words: str) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.aftermath"],
                cwd=TOP,
                env={**os.environ, "PYTHONPATH": str(TOP)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        pipe: IO[str] | None = self._process.stdin
        assert pipe
        pipe.write(" ".join(words) + "\n")
        pipe.flush()


AFTERMATH = Aftermath()
"""That of this process."""


def end_what_is_left(lines: Iterable[str]) -> None:
    """Read until nothing more comes, then end what was begun and has not ended."""
    left: dict[tuple[str, str], None] = {}
    for line in lines:
        event, kind, name = line.split()
        if event == "begun":
            left[kind, name] = None
        else:
            left.pop((kind, name), None)
    for kind, name in reversed(list(left)):
        if kind == "group":
            pid, _, ticks = name.partition(":")
            # Its number may be another's by now; of a leader that has ended the group is not ours to look for.
            if str(start_ticks(int(pid))) == ticks:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
        else:
            from runbook_lib.lab.lab import Lab  # noqa: PLC0415 - as above

            Lab.open(name).down()


if __name__ == "__main__":
    end_what_is_left(sys.stdin)
