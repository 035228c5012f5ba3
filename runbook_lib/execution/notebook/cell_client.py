"""Talk to a kernel: see its death at once, stop at an interrupt, bound what its cells print."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async, run_sync
from papermill.clientwrap import PapermillNotebookClient

from runbook_lib.execution.notebook.kernel_process import LAST_WORDS
from runbook_lib.execution.notebook.outcome import Outcome
from runbook_lib.execution.notebook.output_limit import Floods

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from papermill.engines import NotebookExecutionManager

    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["Client"]

_POLL = 0.1  # seconds between two looks at whether the kernel lives
_LOOKS = 10  # at a kernel at rest that has sent no reply, which it does before it says that it rests
_OUTPUT_TIMEOUT = 60  # seconds that a cell's last outputs may take after its end; a flood takes some


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client, for a kernel of ours.

    Args:
        nb_man: papermill's account of the notebook.
        kernel: The kernel.
        traits: nbclient's options.
    """

    def __init__(self, nb_man: NotebookExecutionManager, *, kernel: Kernel, **traits: Any) -> None:  # noqa: ANN401
        traits.setdefault("iopub_timeout", _OUTPUT_TIMEOUT)
        traits.setdefault("shell_timeout_interval", 1)
        super().__init__(nb_man, **traits)
        self.kernel = kernel
        self._floods = Floods(kernel)
        self._at_rest = False
        self._unanswered = False

    def papermill_execute_cells(self) -> None:
        """Execute the cells in turn; only what was executed to its end is `completed`."""
        for index, cell in enumerate(self.nb.cells):
            if self.kernel.interrupted:
                break
            done = False
            try:
                self._at_rest = False
                self.nb_man.cell_start(cell, index)
                self.execute_cell(cell, index)
                done = True
            except CellExecutionError:
                return
            except DeadKernelError:
                if not self._unanswered:
                    raise
                if not self.kernel.interrupted:
                    self.kernel.interrupt("the kernel was interrupted at the end of a cell")
            finally:
                self.kernel.ends()
                self._floods.end()
                if not done:
                    self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
        if self.kernel.interrupted:
            self._say_interrupted()

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Take one message of a cell in."""
        if msg["msg_type"] == "execute_input":
            self.kernel.begins()
        elif msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
            self._at_rest = True
        elif msg["msg_type"] == "stream":
            if self._floods.take(cell, msg["content"]["name"], msg["content"]["text"]):
                return None
        elif msg["msg_type"] == "clear_output" and not msg["content"].get("wait"):
            self._floods.end()
        output: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return output

    async def _async_poll_kernel_alive(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(_POLL)
            self.nb_man.save_what_is_late()
            try:
                await self._async_check_alive()
            except DeadKernelError:
                self.task_poll_for_reply.cancel()
                return
            # A signal that comes between a cell's end and the reply takes the reply away, and nobody else tells.
            # Looks count, not seconds: while the notebook is written, for one, no reply is read.
            looks += self._at_rest
            self._unanswered = looks > _LOOKS
            if self._unanswered:
                self.task_poll_for_reply.cancel()
                return

    async def _async_handle_timeout(
        self,
        timeout: float,  # noqa: ASYNC109 - nbclient's signature
        cell: NotebookNode | None = None,
    ) -> Any:  # noqa: ANN401
        """Let an open run write its last words before the kernel is ended."""
        self.kernel.interrupt(f"the cell took longer than {timeout:g} s")
        await self._async_await_end_of_runs()
        return await super()._async_handle_timeout(timeout, cell)

    async def _async_say_interrupted(self) -> None:
        """Tell an open run that it is interrupted between two cells, where a kernel hears no signal."""
        if self.kernel.runs:
            await ensure_async(self.kc.execute("raise KeyboardInterrupt", store_history=False))
            await self._async_await_end_of_runs()

    _say_interrupted = run_sync(_async_say_interrupted)

    async def _async_await_end_of_runs(self) -> None:
        until = time.monotonic() + LAST_WORDS
        while time.monotonic() < until and await ensure_async(self.kc.is_alive()):
            told = [Outcome.read(path).record for path in self.kernel.runs]
            if all(record and record.ended for record in told):
                return
            await asyncio.sleep(_POLL)
