"""The fork server of one command, for all that runs inside of it; loads nothing itself."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.execution.warm_kernels.protocol import SERVER, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KERNELS", "KINDS", "pool"]

KERNELS = "RUNBOOK_KERNELS"
"""Environment variable that chooses `warm` or `cold` kernels."""
KINDS = ("warm", "cold")

_log = logging.getLogger(__name__)
_END = 5.0  # seconds that the server has to end
# As ipykernel_launcher does: what lies in the current directory is not imported in a library's place. While
# libraries are loaded nothing is garbage: looking for it would take a tenth of the time.
_PROGRAM = (
    "import gc, sys; gc.disable(); del sys.path[0]; "
    "from runbook_lib.execution.warm_kernels.fork_server import main; main()"
)


@contextlib.contextmanager
def pool(kind: str | None = None) -> Iterator[None]:
    """Keep a fork server while this command runs; it loads its libraries meanwhile.

    Processes started in the block find it by their environment. Inside of another pool nothing is started.

    Args:
        kind: `warm` or `cold`; without it the environment's RUNBOOK_KERNELS, or `warm`.

    Raises:
        InputError: There is no such kind.
    """
    kind = kind or os.environ.get(KERNELS) or KINDS[0]
    if kind not in KINDS:
        raise InputError(f"{kind!r} is no kind of kernel", where=KERNELS, hint=f"choose {' or '.join(KINDS)}")
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
    directory = Path(tempfile.mkdtemp(prefix="runbook-kernels-"))
    path = str(directory / "socket")
    try:
        # Connections wait on it from now on, while the server loads its libraries.
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
        _log.warning("kernels are started cold, as there can be no fork server: %s", problem)
        shutil.rmtree(directory, ignore_errors=True)
        yield None
        return
    try:
        yield path
    finally:
        process.terminate()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


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
