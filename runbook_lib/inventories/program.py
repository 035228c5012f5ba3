"""Run a program that prints an inventory, with a limit of time and of bytes."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from runbook_lib.errors import InventoryError
from runbook_lib.masking import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MOST_BYTES", "TIMEOUT", "program_output"]

TIMEOUT = 30.0
"""Seconds that a program may take."""
MOST_BYTES = 20_000_000
"""Bytes that a program may print."""
_CHUNK = 65536
_LONGEST = 200  # characters of its error output in a message


def program_output(
    argv: Sequence[str],
    where: str,
    *,
    timeout: float = TIMEOUT,
    most: int = MOST_BYTES,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Return what a program prints on standard output; it is killed, with what it started, when it goes too far.

    Args:
        argv: The program and its arguments.
        where: The inventory, for messages.
        timeout: Seconds that it may take.
        most: Bytes that it may print.
        environment: Its environment variables; None: those of this process.

    Raises:
        InventoryError: It cannot be started, fails, takes too long, or prints too much.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as problem:
        raise InventoryError(
            f"the program cannot be started: {problem.strerror}",
            where=where,
            hint="check its first line (#!) and its mode; or make it a file that is not executable",
        ) from problem
    with process:
        try:
            printed, errors = _read(process, where, timeout, most)
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as late:  # it has closed its output, and is still running
            raise _overdue(where, timeout) from late
        finally:
            _kill(process)  # with what it has left running
    if code:
        said = errors.decode(errors="replace").strip().splitlines()
        raise InventoryError(
            f"the program ended with exit code {code}" + (f": {excerpt(said[-1], _LONGEST)}" if said else ""),
            where=where,
            hint=f"run it by hand: {' '.join(argv)}",
        )
    return printed


def _read(process: subprocess.Popen[bytes], where: str, timeout: float, most: int) -> tuple[bytes, bytes]:
    """Read both streams until both have ended."""
    deadline = time.monotonic() + timeout
    read: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    with selectors.DefaultSelector() as selector:
        for name in read:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                read[key.data] += data
            if max(map(len, read.values())) > most:
                raise InventoryError(
                    f"the program prints more than {most} bytes", where=where, hint="print the inventory only"
                )
            if time.monotonic() > deadline:
                raise _overdue(where, timeout)
    return bytes(read["stdout"]), bytes(read["stderr"])


def _overdue(where: str, timeout: float) -> InventoryError:
    return InventoryError(
        f"the program has not ended after {timeout:g} s",
        where=where,
        hint="save what it prints in a .json file, and use that as the inventory",
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
