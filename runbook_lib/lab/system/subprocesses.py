"""Run system programs: wait for them, or start them detached from this process."""

from __future__ import annotations

import logging
import os
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

from runbook_lib.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["attempt", "in_cgroups", "listens", "run", "start_detached", "tail", "wait_for"]

_log = logging.getLogger(__name__)
_ATTEMPT = (
    60.0  # seconds: a connection can hang for ever where the next one is quick, as to a host that reboots
)
_CONNECT = struct.pack("ll", 5, 0)  # seconds, microseconds: until a busy process accepts a connection
_ERROR_LINES = 12  # last lines of a failed program's output that an error shows
T = TypeVar("T")

# Joins the control groups first, so that even `kill -9` at any moment leaves no process outside them.
# A directory without cgroup.procs is an ordinary user's group: its path becomes a mark that descendants inherit.
_JOIN_CGROUPS = (
    'while [ "$1" != -- ]; do '
    'if [ -e "$1/cgroup.procs" ]; then echo 0 >"$1/cgroup.procs" || exit 1; else export RUNBOOK_LAB_GROUP="$1"; fi; '
    "shift; done; shift; "
)
# Forks, so that the process outlives us and is reaped by init. "$@" needs no quoting.
_DETACH = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &'


def run(  # noqa: PLR0913 - each is a part of what a program gets
    *argv: str | Path,
    what: str,
    hint: str | None = None,
    timeout: float = 60,
    input_: str | None = None,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> str:
    """Run a program, wait until it exits, and return its standard output.

    Args:
        argv: Program and arguments, without a shell.
        what: The purpose, as the end of "could not ...".
        hint: What the user can do if the program fails.
        timeout: Seconds.
        input_: Text for standard input.
        environment: Variables to add to this process's environment.
        descriptors: Open files that the program inherits under the same numbers.

    Raises:
        LabError: The program is missing, did not exit in time, or exited with a code other than 0.
    """
    command = [str(part) for part in argv]
    _log.debug("running %s", command)
    try:
        completed = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=input_,
            stdin=subprocess.DEVNULL if input_ is None else None,
            env={**os.environ, "PATH": _search_path(), **(environment or {})},
            pass_fds=descriptors,
        )
    except FileNotFoundError as missing:
        raise LabError(
            f"could not {what}: program {command[0]!r} not found",
            hint="`python -m runbook_lib.system_requirements --install lab` installs the lab's programs",
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(
            f"could not {what}: {command[0]} did not exit within {timeout:g} s", hint=hint
        ) from late
    except subprocess.CalledProcessError as failed:
        output = (failed.stderr or failed.stdout or "").strip().splitlines()[-_ERROR_LINES:]
        raise LabError(
            f"could not {what}: {command[0]} exited with code {failed.returncode}: {' | '.join(output)}",
            hint=hint,
        ) from failed
    return completed.stdout


def _search_path() -> str:
    """Return PATH with the directories of system programs, which an ordinary user's PATH often lacks."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def in_cgroups(*argv: str | Path, cgroups: Sequence[Path]) -> list[str]:
    """Return a command line that joins control groups and then becomes a program.

    Args:
        argv: The program and its arguments.
        cgroups: Directories of the control groups.
    """
    return [str(part) for part in ("sh", "-c", _JOIN_CGROUPS + 'exec "$@"', "join", *cgroups, "--", *argv)]


def start_detached(
    *argv: str | Path,
    cgroups: Sequence[Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> None:
    """Start a program that outlives this process, in control groups by which it can be found later.

    Args:
        argv: Program and arguments.
        cgroups: Directories of the control groups, joined before the program starts.
        log: File that the program's output is appended to.
        environment: Variables to add to this process's environment.
        descriptors: Open files that the program inherits under the same numbers.

    Raises:
        LabError: The control groups cannot be joined.
    """
    run(
        *("sh", "-c", _JOIN_CGROUPS + _DETACH, "start", *cgroups, "--", log, *argv),
        what=f"start {argv[0]}",
        environment=environment,
        descriptors=descriptors,
    )


def wait_for(
    probe: Callable[[], T | None], what: str, *, timeout: float, log: Path | None = None, pause: float = 0.05
) -> T:
    """Call `probe` until it returns a value other than None, and return that value.

    Args:
        probe: Called every `pause` seconds.
        what: What is waited for, as the end of "timed out waiting for ...".
        timeout: Seconds.
        log: Log file whose end is shown on a timeout.
        pause: Seconds between calls.

    Raises:
        LabError: `probe` returned only None within the timeout.
    """
    end = time.monotonic() + timeout
    while (found := probe()) is None:
        if time.monotonic() > end:
            raise LabError(
                f"timed out after {timeout:g} s waiting for {what}",
                hint=f"{log} ends with: {tail(log)}" if log else None,
            )
        time.sleep(pause)
    return found


def attempt(command: Sequence[str], timeout: float) -> str | None:
    """Run a program for a probe of `wait_for`, which calls it again if it does not succeed.

    Args:
        command: Program and arguments.
        timeout: Seconds of the whole wait; one attempt gets at most a minute of them.

    Returns:
        The program's standard output; None if it exited with a code other than 0, or did not exit in time.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=min(timeout, _ATTEMPT),
        )
    except subprocess.TimeoutExpired:
        _log.debug("%s did not exit in time", command)
        return None
    return done.stdout if done.returncode == 0 else None


def listens(path: Path) -> bool:
    """Return whether a process listens on a Unix socket, and accepts connections.

    Args:
        path: The socket.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        # Where too many connections wait to be accepted, connect(2) blocks: for ever, if the process hangs. Python's
        # own timeout would not wait for a busy process at all: such a socket is non-blocking.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _CONNECT)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log as one line, without control characters.

    Args:
        log: The log file.
        lines: How many lines of at most 160 characters.
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        return f"(unreadable: {problem})"
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return (
        " | ".join(line.strip() for line in clean.splitlines() if line.strip()).strip()[-160 * lines :]
        or "(empty)"
    )
