"""The process of JupyterLab's server: it ends when the process that started it ends, whatever ended that one.

`python -m runbook_lib.learning.server_process OPTION...` takes the options of `jupyter lab`.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

__all__ = ["PARENT", "TOKEN_FILE", "main"]

PARENT = "RUNBOOK_LEARN_PARENT"
"""Environment variable with the process id of the parent."""

TOKEN_FILE = "RUNBOOK_LEARN_TOKEN_FILE"  # noqa: S105 - a variable's name
"""Environment variable with the path of the file that has the server's token."""

_PR_SET_PDEATHSIG = 1  # of prctl(2)


def main() -> None:
    """Ask the kernel for a signal at the parent's end, then become JupyterLab."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(os.environ.pop(PARENT, "0")):
        return  # the parent has ended before it could be noticed
    # As an option it is stronger than the configuration of a user or a machine, which may turn the token off. What is
    # added here is in no list of processes.
    token = Path(os.environ.pop(TOKEN_FILE)).read_text(encoding="utf-8")
    sys.argv.append(f"--IdentityProvider.token={token}")
    runpy.run_module("jupyterlab", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
