"""A chain of runbooks in a process of its own, in parallel with the one in the foreground."""

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

from runbook_lib import grace_periods, subprocess_termination
from runbook_lib.errors import RunbookError
from runbook_lib.execution.warm_kernels.protocol import SERVER
from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = ["BackgroundRun"]

_EVIDENCE = re.compile(r"^  evidence: (.+)$", re.MULTILINE)
_POLL = 0.2  # seconds between two reads of its output


class BackgroundRun:
    """Run `runbook run …` in the background of a `with` block; leaving the block by an error stops it.

    Args:
        arguments: What follows `runbook run`.
        prepare: Called before it starts, in the background: waits for its hosts, for example.
    """

    def __init__(self, arguments: Sequence[str], prepare: Callable[[], object]) -> None:
        self._command = [sys.executable, "-m", "runbook_lib.cli.main", "run", *arguments]
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()  # between a stop and the start of the process
        self._code = 4  # until the process's own is known
        self._thread = threading.Thread(target=self._run, name="background-run")
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._output = self._resources.enter_context(
            tempfile.NamedTemporaryFile(prefix="runbook-background-")
        )
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            self.stop()
        self._resources.close()

    def stop(self) -> None:
        """Interrupt it and wait until it exits; it is killed if that takes too long."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process:
            subprocess_termination.terminate(process, grace_periods.BACKGROUND_CHAIN)
        self._thread.join(grace_periods.BACKGROUND_CHAIN)  # it may still prepare

    def wait(self, report: Callable[[str], None]) -> tuple[int, list[Path]]:
        """Report each line of its output, from the first, until it exits.

        Args:
            report: Called with each line.

        Returns:
            The exit code, and the run directories that it created.
        """
        paths = []
        with Path(self._output.name).open(encoding="utf-8", errors="replace") as output:
            ended = False
            while not ended:
                self._thread.join(_POLL)
                ended = not self._thread.is_alive()
                for line in output:
                    report(line.rstrip("\n"))
                    paths += [Path(found) for found in _EVIDENCE.findall(line)]
        return self._code, paths

    def _run(self) -> None:
        with Path(self._output.name).open("ab") as output:
            try:
                self._prepare()
            except RunbookError as problem:
                output.write(utf8_bytes(f"{problem}\n"))
                self._code = problem.exit_code
                return
            with self._lock:
                if self._stopped:
                    return
                # It starts a fork server of its own: this process's may exit before it.
                environment = {name: value for name, value in os.environ.items() if name != SERVER}
                self._process = subprocess.Popen(
                    self._command, stdout=output, stderr=subprocess.STDOUT, env=environment
                )
            self._code = self._process.wait()
