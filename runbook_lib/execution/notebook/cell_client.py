"""The client that executes cells: it notices a dead kernel at once, stops at an interrupt and bounds output."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async, run_sync
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient

from runbook_lib import grace_periods
from runbook_lib.execution.notebook.output_limit import OutputLimit

if TYPE_CHECKING:
    from papermill.engines import NotebookExecutionManager

    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["CellClient"]

_POLL = 0.1  # seconds between two checks whether the kernel is alive
_MISSED_REPLY_POLLS = (
    10  # polls of an idle kernel without a reply, which it sends before it says that it is idle
)
_HIDDEN = "the cell's output does not show what was raised"


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
        traits.setdefault("on_cell_error", _show_error)
        super().__init__(nb_man, **traits)
        self.kernel = kernel
        self._output_limit = OutputLimit(kernel)
        self._idle = False
        self._reply_missed = False
        self._failure: BaseException | None = None

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
                completed = True
            except CellExecutionError:
                return
            except DeadKernelError as dead:
                if not self._reply_missed:
                    raise (self._failure or dead) from None
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
        """Watch the kernel. Nothing else notices its death, so the reply is not awaited once this has ended."""
        watch = asyncio.ensure_future(self._async_watch_kernel())
        try:
            await asyncio.wait([watch])
        finally:
            watch.cancel()
        self._failure = watch.exception()
        self.task_poll_for_reply.cancel()

    async def _async_watch_kernel(self) -> None:
        """Return once the kernel is dead, or will not reply any more."""
        polls = 0
        while True:
            await asyncio.sleep(_POLL)
            # At the end of each cell the notebook is saved, and the journals are read: an error is raised there.
            with contextlib.suppress(OSError, ValueError):
                self.nb_man.save_if_due()
            with contextlib.suppress(OSError, ValueError):
                self.kernel.follow()
            try:
                await self._async_check_alive()
            except DeadKernelError:
                return
            # A signal between a cell's end and the reply suppresses the reply, and nothing else reports that.
            # Polls are counted, not seconds: while the notebook is written, for example, no reply is read.
            polls += self._idle
            self._reply_missed = polls > _MISSED_REPLY_POLLS
            if self._reply_missed:
                return

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


def _show_error(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:  # noqa: ARG001 - of nbclient
    """Add the error of a cell to its outputs, if they do not have it: the judge of the notebook looks there.

    A program may print tracebacks in its own way, or clear the output. What was raised is in the reply too, but
    unlike the outputs it has not passed the mask.
    """
    if not any(output.output_type == "error" for output in cell.outputs):
        name = str(execute_reply["content"].get("ename") or "an error")
        shown = {"ename": name, "evalue": _HIDDEN, "traceback": [f"{name}: {_HIDDEN}"]}
        cell.outputs.append(NotebookNode(output_type="error", **shown))  # type: ignore[no-untyped-call]
