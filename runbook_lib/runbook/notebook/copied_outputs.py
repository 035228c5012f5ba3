"""Which cell of a notebook's file is which cell that ran, and the file with what the kernel has shown in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.display.ipython_shell import RanCell
    from runbook_lib.display.shown_outputs import ShownOutputs

__all__ = ["add_outputs"]

Data = dict[str, Any]


def add_outputs(
    content: Data, ran: Sequence[RanCell], shown: ShownOutputs
) -> tuple[Data, list[int], list[RanCell]]:
    """Return a notebook with the outputs of the cells that ran in place of those in the file.

    A cell of the file that was changed after it had run, or before and not saved, keeps what the file has: its outputs
    would not be those of its text.

    Args:
        content: The notebook, of format 4.
        ran: The cells that ran, in their order; of a cell that ran several times the last one counts.
        shown: What the kernel has shown.

    Returns:
        The notebook; the execution counts of the cells that got their outputs; and what ran as none of the file's
        cells, or as one of several.
    """
    cells = list(content["cells"])
    added: dict[int, int] = {}
    left: list[RanCell] = []
    for cell in ran:
        position = _find(cells, cell) if cell.request else None
        if position is None:
            left.append(cell)
            continue
        outputs = shown.of(cell.request)
        cells[position] = {**cells[position], "execution_count": cell.number, "outputs": outputs}
        added[position] = cell.number
    return {**content, "cells": cells}, sorted(added.values()), left


def _find(cells: Sequence[Data], ran: RanCell) -> int | None:
    """Return the position of a cell that ran: by its id, else by its text; None if there is none, or several."""
    same = [
        position
        for position, cell in enumerate(cells)
        if cell.get("cell_type") == "code" and _text(cell.get("source")).strip() == ran.source.strip()
    ]
    by_id = [position for position, cell in enumerate(cells) if ran.cell_id and cell.get("id") == ran.cell_id]
    found = [position for position in same if position in by_id] if by_id else same
    return found[0] if len(found) == 1 else None


def _text(source: object) -> str:
    return source if isinstance(source, str) else "".join(source) if isinstance(source, list) else ""
