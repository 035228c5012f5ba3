"""The fork server of one command and its child processes; this module itself imports nothing large."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from runbook_lib import grace_periods, subprocess_termination
from runbook_lib.errors import InputError
from runbook_lib.execution.socket_directory import socket_directory
from runbook_lib.execution.warm_kernels.protocol import SERVER, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KERNELS", "KINDS", "fork_server"]

KERNELS = "RUNBOOK_KERNELS"
"""Environment variable that chooses `warm` or `cold` kernels."""
KINDS = ("warm", "cold")

_log = logging.getLogger(__name__)
# As ipykernel_launcher does: a module in the current directory does not shadow a library. The garbage collector
# would take a tenth of the time in which the libraries are imported.
_PROGRAM = (
    "import gc, sys; gc.disable(); del sys.path[0]; "
    "from runbook_lib.execution.warm_kernels.fork_server import main; main()"
)


@contextlib.contextmanager
def fork_server(kind: str | None = None) -> Iterator[None]:
    """Run a fork server in the background of a `with` block.

    Processes started in the block find it through their environment. A block inside another uses the outer server.

    Args:
        kind: `warm`, or `cold` for no server; None: the environment's RUNBOOK_KERNELS, or `warm`.

    Raises:
        InputError: The kind is neither `warm` nor `cold`.
    """
    kind = kind or os.environ.get(KERNELS) or KINDS[0]
    if kind not in KINDS:
        raise InputError(
            f"unknown kind of kernel {kind!r}", where=KERNELS, hint=f"choose {' or '.join(KINDS)}"
        )
    if kind == "cold":
        with _environment(None):
            yield
    elif os.environ.get(SERVER):
        yield
    else:
        with _server() as path, _environment(path):
            yield


@contextlib.contextmanager
def _server() -> Iterator[str | None]:
    directory = socket_directory("runbook-kernels-")
    path = f"{directory.name}/socket"
    try:
        # Connections queue on the socket from now on, while the server imports its libraries.
        with listen(path) as listener:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(listener.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(listener.fileno(),),
                start_new_session=True,
            )
    except OSError as problem:
        _log.warning("the fork server cannot be started, so kernels start cold: %s", problem)
        directory.cleanup()
        yield None
        return
    try:
        yield path
    finally:
        subprocess_termination.terminate(process, grace_periods.FORK_SERVER)
        directory.cleanup()


@contextlib.contextmanager
def _environment(path: str | None) -> Iterator[None]:
    before = os.environ.pop(SERVER, None)
    if path:
        os.environ[SERVER] = path
    try:
        yield
    finally:
        os.environ.pop(SERVER, None)
        if before is not None:
            os.environ[SERVER] = before
