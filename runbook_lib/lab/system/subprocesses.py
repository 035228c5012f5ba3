"""Run system programs, to their end or detached from this process."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["joined", "launch", "listens", "run", "tail", "wait_for"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

# Joins the cgroups first, so that not even `kill -9` at the wrong moment leaves an unknown process behind.
# A directory that is no kernel's is an ordinary user's group: its path becomes a mark that descendants inherit.
_JOIN = (
    'while [ "$1" != -- ]; do '
    'if [ -e "$1/cgroup.procs" ]; then echo 0 >"$1/cgroup.procs" || exit 1; else export RUNBOOK_LAB_GROUP="$1"; fi; '
    "shift; done; shift; "
)
# Forks, so that the process outlives us and is nobody's unreaped child. "$@" needs no quoting.
_DETACH = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &'


def run(
    *argv: str | Path,
    what: str,
    hint: str | None = None,
    timeout: float = 60,
    input_: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    Args:
        argv: Program and arguments, no shell.
        what: What it is for, as the end of "could not ...".
        hint: What the user can do when it fails.
        timeout: Seconds.
        input_: Text for its standard input.
        environment: Variables to add to ours.

    Raises:
        LabError: It is missing, took too long, or ended with an exit code other than 0.
    """
    command = [str(part) for part in argv]
    _log.debug("running %s", command)
    try:
        ended = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=input_,
            stdin=subprocess.DEVNULL if input_ is None else None,
            env={**os.environ, "PATH": _path(), **(environment or {})},
        )
    except FileNotFoundError as missing:
        raise LabError(
            f"could not {what}: no program {command[0]!r}",
            hint="`python -m runbook_lib.system_requirements --install lab` installs what the lab needs",
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(
            f"could not {what}: {command[0]} did not end within {timeout:g} s", hint=hint
        ) from late
    except subprocess.CalledProcessError as failed:
        said = (failed.stderr or failed.stdout or "").strip().splitlines()[-12:]
        raise LabError(
            f"could not {what}: {command[0]} ended with {failed.returncode}: {' | '.join(said)}", hint=hint
        ) from failed
    return ended.stdout


def _path() -> str:
    """Return where programs are: an ordinary user's PATH often lacks the system's own."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def joined(*argv: str | Path, cgroups: Sequence[Path]) -> list[str]:
    """Return the arguments of a program that joins cgroups before anything else."""
    return [str(part) for part in ("sh", "-c", _JOIN + 'exec "$@"', "join", *cgroups, "--", *argv)]


def launch(
    *argv: str | Path, cgroups: Sequence[Path], log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Start a program that outlives this process, inside cgroups by which it is found again.

    Args:
        argv: Program and arguments.
        cgroups: Cgroup directories to join before the program starts.
        log: File its output is appended to.
        environment: Variables to add to ours.

    Raises:
        LabError: The cgroups cannot be joined.
    """
    run(
        *("sh", "-c", _JOIN + _DETACH, "launch", *cgroups, "--", log, *argv),
        what=f"start {argv[0]}",
        environment=environment,
    )


def wait_for(
    probe: Callable[[], T | None], what: str, *, timeout: float, log: Path | None = None, pause: float = 0.05
) -> T:
    """Call `probe` until it returns something other than None.

    Args:
        probe: Called every `pause` seconds.
        what: Named when it takes too long.
        timeout: Seconds.
        log: File whose end tells why it did not come.
        pause: Seconds.

    Raises:
        LabError: Nothing came within `timeout`.
    """
    end = time.monotonic() + timeout
    while (found := probe()) is None:
        if time.monotonic() > end:
            raise LabError(
                f"{what} did not come within {timeout:g} s",
                hint=f"{log} ends with: {tail(log)}" if log else None,
            )
        time.sleep(pause)
    return found


def listens(path: Path) -> bool:
    """Tell whether a process listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log in one line, without control characters."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        return f"(unreadable: {problem})"
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return (
        " | ".join(line.strip() for line in clean.splitlines() if line.strip()).strip()[-160 * lines :]
        or "(empty)"
    )
