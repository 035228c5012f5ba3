"""papermill's manager of an executing notebook: what it says of the cells, and when and how the file is written."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from papermill.engines import NotebookExecutionManager

from runbook_lib.execution.notebook.packed_outputs import PACKED_FORMAT, PackedOutputs, notebook_pieces

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from runbook_lib.execution.notebook.atomic_save import AtomicHandler

__all__ = ["NotebookManager", "has_error"]

_SAVE_INTERVAL = 20  # times as long as writing the notebook takes: it takes at most a twentieth of the time


class NotebookManager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's manager, without marking cells completed that were never executed.

    papermill writes the whole notebook twice for each cell: for many hosts that takes longer than the cells. Here
    a save that would take more than its share of the time is postponed, and made while the next cell runs.
    """

    _next_save = 0.0
    _postponed = False
    _handler: AtomicHandler | None = None

    def packs_into(self, handler: AtomicHandler | None) -> None:
        """Keep the outputs of cells that have ended packed from now on; only what writes the file can unpack them.

        Args:
            handler: Writes the file; None: papermill does, and nothing is packed.
        """
        self._handler = handler if self.nb.nbformat == PACKED_FORMAT else None

    def pack(self, cell: NotebookNode) -> None:
        """Pack the outputs of a cell that has ended, and that nothing changes any more."""
        if self._handler and cell.get("outputs"):
            cell.outputs = PackedOutputs(cell.outputs)

    def save(self, **options: Any) -> None:  # noqa: ANN401 - papermill's signature
        """Write the notebook, or postpone that."""
        began = time.monotonic()
        self._postponed = began < self._next_save
        if not self._postponed:
            if self._handler:
                self._handler.write_pieces(notebook_pieces(self.nb))
                self.last_save_time = self.now()
            else:
                super().save(**options)
            ended = time.monotonic()
            self._next_save = ended + (ended - began) * _SAVE_INTERVAL

    def write_last(self) -> None:
        """Write the complete notebook without papermill, and drop the outputs: papermill would make a copy of them.

        papermill marks cells that raised before it writes, so it writes a notebook with errors, unpacked.
        """
        if self._handler is None:
            return
        raised = has_error(self.nb) or any(cell.metadata.papermill["exception"] for cell in self.nb.cells)
        if not raised:
            self.save()
            self._handler.is_complete = True
        for cell in self.nb.cells:
            if isinstance(cell.get("outputs"), PackedOutputs):
                cell.outputs = list(cell.outputs) if raised else []

    def save_if_due(self) -> None:
        """Make a postponed save, once it is due."""
        if self._postponed:
            self.save()

    def notebook_complete(self, **options: Any) -> None:  # noqa: ANN401 - papermill's signature
        """Complete the notebook's metadata, leaving pending cells `pending`; the caller writes the file."""
        self._next_save = math.inf
        pending = [cell for cell in self.nb.cells if cell.metadata.papermill["status"] == self.PENDING]
        super().notebook_complete(**options)
        for cell in pending:
            cell.metadata.papermill["status"] = self.PENDING
        self._next_save = 0.0


def has_error(nb: NotebookNode) -> bool:
    """Whether papermill finds an error in a cell; it does not count a clean `sys.exit` as one."""
    return any(
        output.output_type == "error" and not (output.ename == "SystemExit" and output.evalue in {"", "0"})
        for cell in nb.cells
        for output in cell.get("outputs", [])
    )
