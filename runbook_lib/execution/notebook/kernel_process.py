"""The kernel of one headless run: started in its own environment, reached over IPC, interrupted and killed."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.manager import AsyncKernelManager

from runbook_lib import grace_periods
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.execution.kernel_specs import kernel_specs
from runbook_lib.execution.notebook.ipython_directory import VARIABLE, usual_directory_is_usable
from runbook_lib.execution.notebook.kernel_output import KernelOutput
from runbook_lib.execution.socket_directory import socket_directory
from runbook_lib.execution.warm_kernels.provisioner import use_fork_server
from runbook_lib.runbook.notebook.checked_input import CHECKED_INPUT, REFUSED_INPUT
from runbook_lib.runbook.notebook.parent_process import PARENT_PROCESS, identify_this_process
from runbook_lib.runbook.notebook.refused_steps import REFUSALS, read_refusals
from runbook_lib.runbook.notebook.run_directory import NOTEBOOK_FILE, RUN_DIRECTORY, RUNS_OPENED
from runbook_lib.secrets import signing_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.runbook.notebook.checked_input import CheckedInput

__all__ = ["Kernel"]

_log = logging.getLogger(__name__)
# With pytest's own variable ipykernel does not capture what child processes print, so it could not be masked.
_NOT_INHERITED = {
    *(RUN_DIRECTORY, RUNS_OPENED, REFUSALS, NOTEBOOK_FILE, CHECKED_INPUT, REFUSED_INPUT),
    "PYTEST_CURRENT_TEST",
}
_POLL = 0.01  # seconds between two checks whether a kernel has exited


class Kernel:
    """One kernel, for a `with` block; papermill starts it through `manager_class`.

    Args:
        run: The run directory that was created for it; None: its runs create their own.
        checked: What its runs must be opened with; None: nothing was checked.

    `launched` is set as soon as its process has started: from then on its client waits until it answers.
    """

    def __init__(self, run: Path | None = None, checked: CheckedInput | None = None) -> None:
        self._run = run
        self.checked = checked
        self._directory = socket_directory("runbook-kernel-")
        self._output = KernelOutput()
        self._managers: list[AsyncKernelManager] = []
        self._signals = itertools.count()
        self._interrupts = itertools.count()
        self._kill_timer = threading.Timer(grace_periods.KERNEL, self.signal, args=(signal.SIGKILL,))
        self._kill_timer.daemon = True
        self._followers: dict[Path, JournalFollower] = {}
        self.interrupted = ""
        self.executing = False
        self.launched = threading.Event()
        self.notebook_file = ""
        self.manager_class = self._make_manager_class()

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill_timer.cancel()
        self._output.__exit__()
        self._directory.cleanup()

    @property
    def runs(self) -> list[Path]:
        """The directories of the runs that it opened, in order."""
        return [follower.run for follower in self.follow()]

    def opened(self) -> list[Path]:
        """Return the directories of the runs that it has announced, in order; what they wrote is not read."""
        try:
            lines = self._runs_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return list(dict.fromkeys(map(Path, lines)))

    def follow(self) -> list[JournalFollower]:
        """Read what the kernel's runs have written since the last call, so that nothing can be rewritten later.

        Returns:
            A follower for each run that was announced, also if a cell has removed the announcement since.
        """
        for path in self.opened():
            self._followers.setdefault(path, JournalFollower(path))
        for follower in self._followers.values():
            follower.read()
        return [*self._followers.values()]

    def name_notebook(self, path: object) -> None:
        """Name the file that is going to be executed, for the runs' records; a file that is not local is not named."""
        try:
            file = Path(str(path)).absolute()
            self.notebook_file = f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        except (OSError, ValueError):
            self.notebook_file = ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the kernel's process group, if it runs."""
        for manager in self._managers:
            group = getattr(manager.provisioner, "pgid", None)
            if group:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, number)

    def interrupt(self, why: str) -> None:
        """Have the kernel end its run, and kill the kernel if it does not within the grace period.

        A kernel handles an interrupt only while a cell runs. Between two cells, no further cell is started.

        Args:
            why: The reason, such as `SIGTERM received`.
        """
        # Counted, not looked up: another signal may arrive between any two lines, and be handled in between.
        if next(self._interrupts) > 0:
            _log.warning("%s: already stopping", why)
            return
        self.interrupted = why
        if self.executing:
            self._interrupt_once()
        try:
            self._kill_timer.start()
        except RuntimeError as problem:  # no thread can be started: the run can still end by itself
            _log.warning("the kernel will not be killed if it does not stop: %s", problem)
        _log.warning(
            "%s: stopping; running commands get a few seconds to finish before they are stopped", why
        )

    def cell_started(self) -> None:
        """Note that a cell is executing; called by the client."""
        self.executing = True
        if self.interrupted:
            self._interrupt_once()

    def cell_ended(self) -> None:
        """Note that no cell is executing."""
        self.executing = False

    def _interrupt_once(self) -> None:
        # A second interrupt could hit the code that records the first one.
        if next(self._signals) == 0:
            self.signal(signal.SIGINT)

    @property
    def _runs_file(self) -> Path:
        """The file in which the kernel lists the runs that it opens."""
        return Path(self._directory.name) / "runs"

    @property
    def refusals(self) -> list[str]:
        """The steps that were refused while no run was open that could record it."""
        return read_refusals(self._refusals_file)

    @property
    def refused_input(self) -> list[str]:
        """Why runs were not opened: with other parameters or hosts than those that were checked."""
        return read_refusals(self._refused_input_file)

    @property
    def _refused_input_file(self) -> Path:
        """The file in which the kernel lists the reasons."""
        return Path(self._directory.name) / "refused_input"

    @property
    def _refusals_file(self) -> Path:
        """The file in which the kernel lists these steps."""
        return Path(self._directory.name) / "refusals"

    @property
    def _arguments(self) -> list[str]:
        """Arguments with which `exit()` ends the notebook, and modules next to it are found as by JupyterLab's kernels.

        IPython's own `exit()` lets the rest of the cell run, and the next cells until the kernel has gone.
        """
        lines = ["get_ipython().ask_exit = __import__('sys').exit"]
        if self.notebook_file:
            folder = str(Path(self.notebook_file.rpartition(" ")[0]).parent)
            lines.append(f"__import__('sys').path.append({folder!r})")
        return [f"--IPKernelApp.exec_lines={'; '.join(lines)}"]

    @property
    def _environment(self) -> Mapping[str, str]:
        variables = {
            PARENT_PROCESS: identify_this_process(),
            RUNS_OPENED: str(self._runs_file),
            REFUSALS: str(self._refusals_file),
            REFUSED_INPUT: str(self._refused_input_file),
        }
        if self.checked:
            file = Path(self._directory.name) / "checked_input"
            self.checked.write(file)
            variables[CHECKED_INPUT] = str(file)
        if self.notebook_file:
            variables[NOTEBOOK_FILE] = self.notebook_file
        if not usual_directory_is_usable():
            own = Path(self._directory.name) / "ipython"
            own.mkdir(exist_ok=True)
            variables[VARIABLE] = str(own)
        return {**variables, RUN_DIRECTORY: str(self._run)} if self._run else variables

    def _make_manager_class(self) -> type[AsyncKernelManager]:
        kernel = self

        class Manager(AsyncKernelManager):
            """A kernel with its own environment, reached over IPC: no port is opened."""

            def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - traitlets
                traits.setdefault("kernel_spec_manager", kernel_specs())
                # By default its sockets would be in the current directory.
                super().__init__(**{**traits, "transport": "ipc", "ip": f"{kernel._directory.name}/kernel"})
                kernel._managers.append(self)

            async def _async_start_kernel(self, **options: Any) -> None:  # noqa: ANN401 - jupyter_client's signature
                withheld = _NOT_INHERITED | signing_variables()
                inherited = {k: v for k, v in os.environ.items() if k not in withheld}
                environment = {**inherited, **kernel._environment}
                use_fork_server(self)
                more = [*options.pop("extra_arguments", ()), *kernel._arguments]
                await super()._async_start_kernel(
                    **{**options, **kernel._output.descriptors, "extra_arguments": more, "env": environment}
                )
                self.kernel_launched()

            @staticmethod
            def kernel_launched() -> None:
                """Note that the kernel's process has started; the provisioner of forked kernels calls it."""
                kernel.launched.set()

            start_kernel = _async_start_kernel

            async def _async_finish_shutdown(
                self,
                waittime: float | None = None,
                pollinterval: float = _POLL,
                restart: bool = False,  # noqa: FBT001, FBT002 - as above
            ) -> None:
                # jupyter_client checks only ten times a second whether the kernel has exited, and the run waits.
                await super()._async_finish_shutdown(waittime, pollinterval, restart)

            finish_shutdown = _async_finish_shutdown

        return Manager
