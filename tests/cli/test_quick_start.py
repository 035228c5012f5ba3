"""What the command line loads before it knows which command to run: every command, and each kernel, waits for it."""

from __future__ import annotations

import subprocess
import sys

from tests.deadlines import deadline

SLOW = {
    "urllib.request",
    "http.client",
    "ssl",
    "email",
    "importlib.metadata",
    "pydantic",
    "yaml",
    "json",
    "asyncio",
}


def test_the_command_line_itself_loads_nothing_slow() -> None:
    code = f"import sys, runbook_lib.cli.main; print({SLOW!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(60)
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_the_fork_server_is_started_before_anything_slow_is_loaded() -> None:
    slow = SLOW - {"json"}  # of the lines that the server reads
    code = f"import sys, runbook_lib.cli.main, runbook_lib.cli.run; print({slow!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(60)
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
