"""The processes on this machine that hold a host's lock, as a run's or in its place."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deadlines import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["holding", "lock_holders", "wait_until_free"]

_HOLD = """exec 9>>"$1" && flock 9 && printf '%s\\n%s\\n' "$$" "$2" > "$1" && echo held && read -r word"""


def lock_holders(lock: Path) -> list[int]:
    """Return the processes that hold a lock, or wait for it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"runbook-lock" in words and str(lock).encode() in words and words[0] == b"sh":
            found.append(int(path.parent.name))
    return found


def wait_until_free(lock: Path) -> None:
    wait_until(lambda: not lock_holders(lock), "the end of every process that holds the lock on the host")


@contextlib.contextmanager
def holding(lock: Path, run: str, machine: str) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock during the block, as the process on the host of a run that was killed does until sshd ends it."""
    owner = {"run": run, "host": "host-a", "operator": "ops", "machine": machine, "since": "2026-01-01"}
    command = ["sh", "-c", _HOLD, "runbook-lock", str(lock), json.dumps(owner)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            with contextlib.suppress(ProcessLookupError):
                holder.kill()
