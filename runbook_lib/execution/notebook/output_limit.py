"""What a cell prints, bounded in the notebook: past a bound its head and tail stay, the whole goes to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbformat.v4 import new_output

from runbook_lib.evidence.output_store import OutputStore

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from runbook_lib.evidence.output_store import OutputFile
    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["Floods"]

_MOST = 256 * 1024  # characters that one stream of a cell may have in the notebook
_END = 32 * 1024  # characters that stay of its head, and of its tail, once there are more


class _Flood:
    """One stream of one cell that is larger than the notebook shall hold."""

    def __init__(self, store: OutputStore, cell: NotebookNode, name: str) -> None:
        so_far = [output for output in cell.outputs if _is_of(output, name)]
        cell.outputs = [output for output in cell.outputs if not _is_of(output, name)]
        self._file: OutputFile = store.open()
        self._head = self._tail = ""
        self._shown: NotebookNode = new_output("stream", name=name, text="")  # type: ignore[no-untyped-call]
        cell.outputs.append(self._shown)
        self.take("".join(output.text for output in so_far))

    def take(self, text: str) -> None:
        self._file.write(text.encode())
        self._head += text[: _END - len(self._head)]
        self._tail = (self._tail + text[-_END:])[-_END:]
        self._shown.text = f"{self._head}\n[more came, and is not all here yet]\n"

    def end(self) -> None:
        size = self._file.size
        self._shown.text = (
            f"{self._head}\n[{size} bytes in all; the whole is output/{self._file.close()}]\n{self._tail}"
        )


class Floods:
    """The streams of the cell under way.

    Args:
        kernel: The whole goes into the output directory of its last run; without one nothing is bounded.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._sizes: dict[str, int] = {}
        self._floods: dict[str, _Flood] = {}

    def take(self, cell: NotebookNode, name: str, text: str) -> bool:
        """Take a piece of a stream; return whether it needs no place in the notebook.

        Raises:
            EvidenceError: It cannot be written.
        """
        self._sizes[name] = self._sizes.get(name, 0) + len(text)
        if name not in self._floods:
            runs = self._kernel.runs if self._sizes[name] > _MOST else []
            if not runs:
                return False
            self._floods[name] = _Flood(OutputStore(runs[-1] / "output"), cell, name)
        self._floods[name].take(text)
        return True

    def end(self) -> None:
        """End the cell's streams.

        Raises:
            EvidenceError: They cannot be written.
        """
        for flood in self._floods.values():
            flood.end()
        self._floods.clear()
        self._sizes.clear()


def _is_of(output: NotebookNode, name: str) -> bool:
    return bool(output.output_type == "stream" and output.name == name)
