"""Keep what ended cells show as the text that the notebook's file has of it, and write that file piece by piece.

nbformat writes a file from a copy of the whole notebook, as objects that take ten times as much memory as the file.
The text here is nbformat's own, of one cell at a time: the file is the same, byte for byte.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from nbformat import NotebookNode
from nbformat.v4 import nbjson
from nbformat.v4.rwbase import rejoin_lines

from runbook_lib.printing.utf8 import utf8_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PACKED_FORMAT", "PackedOutputs", "notebook_pieces"]

_node: Callable[..., NotebookNode] = NotebookNode  # nbformat has no types of its own
_writes: Callable[[NotebookNode], str] = nbjson.writes
_rejoin: Callable[[NotebookNode], object] = rejoin_lines  # changes its argument

PACKED_FORMAT = 4
"""The only format of notebooks whose outputs are packed: that of nbformat's current writer."""
_FAST = 1  # zlib's level: a tenth of the size, in milliseconds
_NONE = "[]"


class PackedOutputs(Sequence[NotebookNode]):
    """The outputs of a cell that has ended, compressed. Each use makes new objects of them: changes are lost.

    Args:
        outputs: The outputs.
    """

    def __init__(self, outputs: Sequence[NotebookNode]) -> None:
        before, after = _text([_code_cell([])]).split(_NONE)
        text = _text([_code_cell(outputs)])
        self._count = len(outputs)
        self._packed = zlib.compress(utf8_bytes(text[len(before) : -len(after)]), _FAST)

    @property
    def text(self) -> str:
        """The outputs as the notebook's file has them."""
        return zlib.decompress(self._packed).decode()

    def __len__(self) -> int:
        """Return the number of outputs."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> NotebookNode: ...

    @overload
    def __getitem__(self, index: slice) -> list[NotebookNode]: ...

    def __getitem__(self, index: int | slice) -> NotebookNode | list[NotebookNode]:
        """Return outputs, as new objects."""
        return self._unpack()[index]

    def __iter__(self) -> Iterator[NotebookNode]:
        """Yield the outputs, as new objects."""
        return iter(self._unpack())

    def _unpack(self) -> list[NotebookNode]:
        outputs = [_node(output) for output in json.loads(self.text)]
        _rejoin(_notebook([_code_cell(outputs)]))
        return outputs


def notebook_pieces(notebook: NotebookNode) -> Iterator[bytes]:
    """Yield the bytes of a notebook's file as nbformat writes it, a cell at a time.

    Args:
        notebook: Of format 4; the outputs of its cells may be packed.
    """
    if notebook.nbformat != PACKED_FORMAT:
        raise ValueError(f"a notebook of format {notebook.nbformat} cannot be written")
    before, _, after = _writes(_node({**notebook, "cells": []})).partition('\n "cells": []')
    cells = [_pieces(cell) for cell in notebook.cells]
    yield utf8_bytes(f'{before}\n "cells": [{chr(10) if cells else ""}')
    for number, pieces in enumerate(cells):
        if number:
            yield b",\n"
        for piece in pieces:
            yield utf8_bytes(piece)
    yield utf8_bytes(f"{chr(10) + ' ' if cells else ''}]{after}")


def _pieces(cell: NotebookNode) -> Iterator[str]:
    """Yield the text of one cell in a file, indented as there."""
    before, after = _text([]).split(_NONE, 1)
    outputs = cell.get("outputs")
    packed = isinstance(outputs, PackedOutputs)
    text = _text([_node({**cell, "outputs": []}) if packed else cell])
    text = text[len(f"{before}[\n") : -len(f"\n ]{after}")]
    if not isinstance(outputs, PackedOutputs):
        yield text
        return
    # No other line begins like this: what is inside of a cell's metadata is indented further, and there are no line
    # breaks in JSON's strings.
    before, line, rest = text.partition('\n   "outputs": ')
    yield before + line
    yield outputs.text
    yield rest.removeprefix(_NONE)


def _text(cells: Sequence[NotebookNode]) -> str:
    return _writes(_notebook(cells))


def _notebook(cells: Sequence[NotebookNode]) -> NotebookNode:
    return _node(cells=[*cells], metadata=_node(), nbformat=PACKED_FORMAT, nbformat_minor=5)


def _code_cell(outputs: Sequence[NotebookNode]) -> NotebookNode:
    return _node(cell_type="code", metadata=_node(), outputs=[*outputs])
