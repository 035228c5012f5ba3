"""Rows with named columns: a table where it fits, on a narrow terminal a block per row, in which nothing is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from runbook_lib.printing.wrapped_text import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.printing.console import FilteredConsole

__all__ = ["print_rows"]

_GAP = 2  # between two columns
_LEAST = 20  # columns for a value, however narrow the terminal is
_INDENT = "    "


def print_rows(
    console: FilteredConsole, names: Sequence[str], rows: Sequence[Sequence[Text]], *, heading: int = 1
) -> None:
    """Print rows; a column that is empty in all of them is left out.

    A terminal that is too narrow for the table gets a block per row: a line with the first values, then a line per
    further value with its name. Elsewhere lines may be of any length.

    Args:
        console: Where to print.
        names: Of the columns.
        rows: The values.
        heading: How many values are on the first line of a block.
    """
    filled = [
        column for column in range(len(names)) if not rows or any(row[column].plain.strip() for row in rows)
    ]
    names = [names[column] for column in filled]
    rows = [[row[column] for column in filled] for row in rows]
    widths = [max(len(name), *(row[column].cell_len for row in rows), 0) for column, name in enumerate(names)]
    width = sum(widths) + _GAP * (len(widths) - 1)
    if console.is_terminal and width > console.width:
        _print_blocks(console, names, rows, max(1, sum(column < heading for column in filled)))
        return
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if not console.is_terminal:
        console = type(console)(file=console.file, width=max(width, 1))
    console.print(table)


def _print_blocks(
    console: FilteredConsole, names: Sequence[str], rows: Sequence[Sequence[Text]], heading: int
) -> None:
    label = max(map(len, names[heading:]), default=0) + 2
    for row in rows:
        first = Text("  ").join(value for value in row[:heading] if value.plain.strip())
        console.print(first, soft_wrap=True)
        for name, value in zip(names[heading:], row[heading:], strict=True):
            if not value.plain.strip():
                continue
            margin = len(_INDENT) + label
            for number, line in enumerate(wrapped(value, max(console.width - margin, _LEAST))):
                left = f"{_INDENT}{name:<{label}}" if number == 0 else " " * margin
                console.print(Text.assemble(left, line), soft_wrap=True)
