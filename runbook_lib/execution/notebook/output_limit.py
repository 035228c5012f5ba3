"""A bound on what a cell prints: past it, the notebook keeps the head and the tail, and a file all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbformat.v4 import new_output

from runbook_lib.evidence.layout import OUTPUT
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from runbook_lib.evidence.output_store import OutputFile
    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["OutputLimit"]

_LIMIT = 256 * 1024  # characters that one stream of a cell may have in the notebook
_KEPT = 32 * 1024  # characters kept of its head, and of its tail, once there are more


class _StoredStream:
    """One stream of one cell that is too large for the notebook."""

    def __init__(self, store: OutputStore, cell: NotebookNode, name: str) -> None:
        so_far = [output for output in cell.outputs if _is_stream(output, name)]
        cell.outputs = [output for output in cell.outputs if not _is_stream(output, name)]
        self._file: OutputFile = store.open()
        self._head = self._tail = ""
        self._shown: NotebookNode = new_output("stream", name=name, text="")  # type: ignore[no-untyped-call]
        cell.outputs.append(self._shown)
        self.add("".join(output.text for output in so_far))

    def add(self, text: str) -> None:
        self._file.write(utf8_bytes(text))
        self._head += text[: _KEPT - len(self._head)]
        self._tail = (self._tail + text[-_KEPT:])[-_KEPT:]
        self._shown.text = f"{self._head}\n[truncated; the cell is still printing]\n"

    def finish(self) -> None:
        size = self._file.size
        self._shown.text = (
            f"{self._head}\n[truncated; all {size} bytes are in {OUTPUT}/{self._file.close()}]\n{self._tail}"
        )


class OutputLimit:
    """The streams of the cell that is executing.

    Args:
        kernel: Large streams go into the output directory of its last run; without a run nothing is bounded.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._sizes: dict[str, int] = {}
        self._stored: dict[str, _StoredStream] = {}

    def add(self, cell: NotebookNode, name: str, text: str) -> bool:
        """Add a piece of a stream; return whether it is stored here, so that the notebook needs no copy.

        Raises:
            EvidenceError: It cannot be written.
        """
        self._sizes[name] = self._sizes.get(name, 0) + len(text)
        if name not in self._stored:
            runs = self._kernel.runs if self._sizes[name] > _LIMIT else []
            if not runs:
                return False
            self._stored[name] = _StoredStream(OutputStore(runs[-1] / OUTPUT), cell, name)
        self._stored[name].add(text)
        return True

    def finish(self) -> None:
        """Complete the cell's streams.

        Raises:
            EvidenceError: They cannot be written.
        """
        for stream in self._stored.values():
            stream.finish()
        self._stored.clear()
        self._sizes.clear()


def _is_stream(output: NotebookNode, name: str) -> bool:
    return bool(output.output_type == "stream" and output.name == name)
