"""The client that executes cells: it notices a dead kernel at once, stops at an interrupt and bounds output."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async, run_sync
from papermill.clientwrap import PapermillNotebookClient

from runbook_lib import grace_periods
from runbook_lib.execution.notebook.output_limit import OutputLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbformat import NotebookNode
    from papermill.engines import NotebookExecutionManager

    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["CellClient"]

_POLL = 0.1  # seconds between two checks whether the kernel is alive
_MISSED_REPLY_POLLS = (
    10  # polls of an idle kernel without a reply, which it sends before it says that it is idle
)


class CellClient(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client, for a `Kernel`.

    Args:
        nb_man: papermill's manager of the notebook.
        kernel: The kernel.
        traits: nbclient's options.
    """

    def __init__(self, nb_man: NotebookExecutionManager, *, kernel: Kernel, **traits: Any) -> None:  # noqa: ANN401
        traits.setdefault("iopub_timeout", round(grace_periods.CELL_OUTPUT))
        traits.setdefault("shell_timeout_interval", 1)
        super().__init__(nb_man, **traits)
        self.kernel = kernel
        self._output_limit = OutputLimit(kernel)
        self._idle = False
        self._reply_missed = False
        self._failure: Exception | None = None

    def papermill_execute_cells(self) -> None:
        """Execute the cells in turn; only a cell that ran to its end is marked `completed`."""
        for index, cell in enumerate(self.nb.cells):
            if self.kernel.interrupted:
                break
            completed = False
            try:
                self._idle = False
                self.nb_man.cell_start(cell, index)
                self.execute_cell(cell, index)
                self._raise_failure()
                completed = True
            except CellExecutionError:
                return
            except DeadKernelError:
                self._raise_failure()
                if not self._reply_missed:
                    raise
                if not self.kernel.interrupted:
                    self.kernel.interrupt("the kernel was interrupted at the end of a cell")
            finally:
                self.kernel.cell_ended()
                self.kernel.follow()
                self._output_limit.finish()
                if not completed:
                    self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
                elif not any(index in cells for cells in self._display_id_map.values()):
                    self.nb_man.pack(self.nb.cells[index])  # no later cell can update what it shows
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
        if self.kernel.interrupted:
            self._interrupt_runs()

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Process one message of a cell."""
        if msg["msg_type"] == "execute_input":
            self.kernel.cell_started()
        elif msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            self._idle = True
        elif msg["msg_type"] == "stream":
            if self._output_limit.add(cell, msg["content"]["name"], msg["content"]["text"]):
                return None
        elif msg["msg_type"] == "clear_output" and not msg["content"].get("wait"):
            self._output_limit.finish()
        output: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return output

    async def _async_poll_kernel_alive(self) -> None:
        polls = 0
        while True:
            await asyncio.sleep(_POLL)
            # No error may end this task: nothing else notices a dead kernel, and its reply is waited for without end.
            self._keep_failure(self.nb_man.save_if_due)
            self._keep_failure(self.kernel.follow)
            try:
                await self._async_check_alive()
            except Exception as failure:  # noqa: BLE001 - raised where the cell is executed
                if not isinstance(failure, DeadKernelError):
                    self._failure = failure
                self.task_poll_for_reply.cancel()
                return
            # A signal between a cell's end and the reply suppresses the reply, and nothing else reports that.
            # Polls are counted, not seconds: while the notebook is written, for example, no reply is read.
            polls += self._idle
            self._reply_missed = polls > _MISSED_REPLY_POLLS
            if self._reply_missed:
                self.task_poll_for_reply.cancel()
                return

    def _keep_failure(self, action: Callable[[], object]) -> None:
        """Call something while a cell runs; what goes wrong is raised once the cell has ended.

        The file system may be usable again by then: the notebook is saved, and the journals are read, at the end of
        each cell too, and an error is raised there.
        """
        try:
            with contextlib.suppress(OSError):
                action()
        except Exception as failure:  # noqa: BLE001 - as above
            self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    async def _async_handle_timeout(
        self,
        timeout: float,  # noqa: ASYNC109 - nbclient's signature
        cell: NotebookNode | None = None,
    ) -> Any:  # noqa: ANN401
        """Let an open run complete its journal before the kernel is killed."""
        self.kernel.interrupt(f"the cell took longer than {timeout:g} s")
        await self._async_await_runs()
        return await super()._async_handle_timeout(timeout, cell)

    async def _async_interrupt_runs(self) -> None:
        """Interrupt an open run between two cells, where a kernel ignores signals."""
        if self.kernel.runs:
            await ensure_async(self.kc.execute("raise KeyboardInterrupt", store_history=False))
            await self._async_await_runs()

    _interrupt_runs = run_sync(_async_interrupt_runs)

    async def _async_await_runs(self) -> None:
        until = time.monotonic() + grace_periods.KERNEL
        while time.monotonic() < until and await ensure_async(self.kc.is_alive()):
            if all(follower.ended for follower in self.kernel.follow()):
                return
            await asyncio.sleep(_POLL)
