"""Where the command `runbook` starts: Ctrl-C is answered in words also while the command itself is being loaded."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

_INTERRUPTED = 4


def main() -> None:
    """Load the command line and run it; see `runbook_lib.cli.main.main`."""
    try:
        from runbook_lib.cli.main import main as run_command_line  # noqa: PLC0415 - takes most of a short command's time

        run_command_line()
    except KeyboardInterrupt:  # once it is loaded, the command line answers itself while it works
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would replace the exit code
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
