"""A chain of runbooks in a process of its own, beside the one in front."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import RunbookError
from runbook_lib.execution.warm_kernels.protocol import SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = ["Beside"]

_EVIDENCE = re.compile(r"^  evidence: (.+)$", re.MULTILINE)
_POLL = 0.2  # seconds between two looks at what it says
_LAST_WORDS = 60.0  # seconds that an interrupted chain has to end its run


class Beside:
    """Run `runbook run …` in the background of a `with` block; leaving the block by an error ends it.

    Args:
        arguments: What follows `runbook run`.
        first: Called before it starts, in the background: waits for its hosts, for example.
    """

    def __init__(self, arguments: Sequence[str], first: Callable[[], object]) -> None:
        self._command = [sys.executable, "-m", "runbook_lib.cli.main", "run", *arguments]
        self._first = first
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._code = 4  # until its own is known
        self._thread = threading.Thread(target=self._run, name="beside")
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._said = self._resources.enter_context(tempfile.NamedTemporaryFile(prefix="runbook-beside-"))
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            self.stop()
        self._resources.close()

    def stop(self) -> None:
        """Interrupt it and wait for its end."""
        self._stopped.set()
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        self._thread.join(_LAST_WORDS)

    def wait(self, tell: Callable[[str], None]) -> tuple[int, list[Path]]:
        """Tell each line it said or will say; return, at its end, the exit code and the run directories it made."""
        paths = []
        with Path(self._said.name).open(encoding="utf-8", errors="replace") as said:
            ended = False
            while not ended:
                self._thread.join(_POLL)
                ended = not self._thread.is_alive()
                for line in said:
                    tell(line.rstrip("\n"))
                    paths += [Path(found) for found in _EVIDENCE.findall(line)]
        return self._code, paths

    def _run(self) -> None:
        with Path(self._said.name).open("ab") as said:
            try:
                self._first()
            except RunbookError as problem:
                said.write(f"{problem}\n".encode())
                self._code = problem.exit_code
                return
            if not self._stopped.is_set():
                # Its kernels are forked by a server of its own: ours may end before it.
                own = {name: value for name, value in os.environ.items() if name != SERVER}
                self._process = subprocess.Popen(
                    self._command, stdout=said, stderr=subprocess.STDOUT, env=own
                )
                self._code = self._process.wait()
