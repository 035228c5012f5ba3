"""The kernel of one headless run: its own environment, reached over IPC, interrupted and ended by us."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path

from runbook_lib.execution.warm_kernels.provisioner import choose
from runbook_lib.runbook.parent_process import RUNNER, this_process
from runbook_lib.runbook.run_directory import RUN_DIRECTORY, RUNS_OPENED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LAST_WORDS", "Kernel"]

_log = logging.getLogger(__name__)
# With pytest's own variable a kernel would not hear what child processes print, so that nobody could mask it.
_NOT_INHERITED = {RUN_DIRECTORY, RUNS_OPENED, "PYTEST_CURRENT_TEST"}
_POLL = 0.01  # seconds between two looks at whether a kernel has ended
LAST_WORDS = 30.0
"""Seconds that an interrupted kernel has to end its run."""


class Kernel:
    """One kernel, for the time of a `with` block; papermill owns it, and asks us for it by `manager_class`.

    Args:
        run: The run directory that was made for it; None: its runs make their own.
    """

    def __init__(self, run: Path | None = None) -> None:
        self._run = run
        self._place = tempfile.TemporaryDirectory(prefix="runbook-kernel-")
        self._managers: list[AsyncKernelManager] = []
        self._signals = itertools.count()
        self._late = threading.Timer(LAST_WORDS, self.signal, args=(signal.SIGKILL,))
        self._late.daemon = True
        self.interrupted = ""
        self.executing = False
        self.manager_class = self._make_manager_class()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._late.cancel()
        self._place.cleanup()

    @property
    def runs(self) -> list[Path]:
        """The directories of the runs that it opened, in order."""
        with contextlib.suppress(FileNotFoundError):
            return [Path(line) for line in self._told.read_text(encoding="utf-8").splitlines()]
        return []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the kernel's process group, if it runs."""
        for manager in self._managers:
            group = getattr(manager.provisioner, "pgid", None)
            if group:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, number)

    def interrupt(self, why: str) -> None:
        """Have the kernel end its run; end the kernel where it does not in time.

        A kernel hears an interrupt only while a cell runs. In between, no further cell is started.

        Args:
            why: What is told of it, as `SIGTERM received`.
        """
        if self.interrupted:
            _log.warning("%s: already stopping", why)
            return
        _log.warning("%s: stopping; commands under way may end, then they are ended", why)
        self.interrupted = why
        self._late.start()
        if self.executing:
            self._interrupt_once()

    def begins(self) -> None:
        """Take note that a cell runs from now on; called by our client."""
        self.executing = True
        if self.interrupted:
            self._interrupt_once()

    def ends(self) -> None:
        """Take note that no cell runs."""
        self.executing = False

    def _interrupt_once(self) -> None:
        # A second interrupt could hit the lines that write down the first one.
        if next(self._signals) == 0:
            self.signal(signal.SIGINT)

    @property
    def _told(self) -> Path:
        return Path(self._place.name) / "runs"

    @property
    def _environment(self) -> Mapping[str, str]:
        given = {RUNNER: this_process(), RUNS_OPENED: str(self._told)}
        return {**given, RUN_DIRECTORY: str(self._run)} if self._run else given

    def _make_manager_class(self) -> type[AsyncKernelManager]:
        kernel = self

        class Manager(AsyncKernelManager):
            """A kernel of its own environment, reached over IPC: no port is opened."""

            def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - traitlets
                traits.setdefault("kernel_spec_manager", KernelSpecManager(kernel_dirs=_kernel_directories()))
                # By default its sockets would lie in the current directory.
                super().__init__(**{**traits, "transport": "ipc", "ip": f"{kernel._place.name}/kernel"})
                kernel._managers.append(self)

            async def _async_start_kernel(self, **options: Any) -> None:  # noqa: ANN401 - jupyter_client's signature
                inherited = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
                environment = {**inherited, **kernel._environment}
                choose(self)
                await super()._async_start_kernel(**{**options, "env": environment})

            start_kernel = _async_start_kernel

            async def _async_finish_shutdown(
                self,
                waittime: float | None = None,
                pollinterval: float = _POLL,
                restart: bool = False,  # noqa: FBT001, FBT002 - as above
            ) -> None:
                # jupyter_client looks ten times a second whether the kernel has ended, and everybody waits for it.
                await super()._async_finish_shutdown(waittime, pollinterval, restart)

            finish_shutdown = _async_finish_shutdown

        return Manager


def _kernel_directories() -> list[str]:
    """Return where kernels are described; jupyter_client would load all of IPython to find the last place."""
    own = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
    return [*jupyter_path("kernels"), str(own / "kernels")]
