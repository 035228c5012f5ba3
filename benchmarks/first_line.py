"""Measure the time until a run's journal has its first line: `python -m benchmarks.first_line RUNS COMMAND …`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measured import report

_POLL = 0.002  # seconds


def main(runs: Path, command: list[str]) -> int:
    """Run a command to its end, and report when the first journal below a directory had something in it.

    Args:
        runs: The directory, empty so far.
        command: The command.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command)
    seconds = None
    while seconds is None and process.poll() is None:
        if any(file.stat().st_size for file in runs.glob("*/journal.jsonl")):
            seconds = time.perf_counter() - began
        time.sleep(_POLL)
    code = process.wait()
    if seconds is None:
        sys.stderr.write(f"no journal below {runs}\n")
        return code or 1
    report(seconds)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
