"""A chain of runbooks in a process of its own, beside the one in front."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = ["Beside"]

_EVIDENCE = re.compile(r"^  evidence: (.+)$", re.MULTILINE)
_LAST_WORDS = 60.0  # seconds that an interrupted chain has to end its run


class Beside:
    """Run `runbook run …` in the background of a `with` block; leaving the block by an error ends it.

    Args:
        arguments: What follows `runbook run`.
        first: Called before it starts, in the background: waits for its hosts, for example.
    """

    def __init__(self, arguments: Sequence[str], first: Callable[[], None]) -> None:
        self._command = [sys.executable, "-m", "runbook_lib.cli.main", "run", *arguments]
        self._first = first
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._said = ""
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, name="beside")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            self.stop()

    def stop(self) -> None:
        """Interrupt it and wait for its end."""
        self._stopped.set()
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        self._thread.join(_LAST_WORDS)

    def wait(self) -> tuple[int, str, list[Path]]:
        """Return, at its end, the exit code, all it said, and the run directories it made."""
        self._thread.join()
        return (
            self._code if self._code is not None else 4,
            self._said,
            [Path(p) for p in _EVIDENCE.findall(self._said)],
        )

    def _run(self) -> None:
        try:
            self._first()
        except RunbookError as problem:
            self._said, self._code = str(problem), problem.exit_code
            return
        if self._stopped.is_set():
            return
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=subprocess.STDOUT, text=True)
            self._code = self._process.wait()
            said.seek(0)
            self._said = said.read()
