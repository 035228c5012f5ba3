"""Rows are a table where it fits, and blocks where it does not: nothing that a person copies is cut off."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from runbook_lib.cli.readable_rows import print_rows
from runbook_lib.printing.console import FilteredConsole

NAMES = ("outcome", "run", "mode", "note", "evidence")
RUN = "20261127T154539Z_20_docker_install_4979b7"
ROWS = [[Text(cell) for cell in ("ok", "Docker on host-a", "plan", "", RUN)]]


def printed(width: int, *, terminal: bool) -> list[str]:
    output = io.StringIO()
    console = FilteredConsole(file=output, force_terminal=terminal, color_system=None, width=width)
    print_rows(console, NAMES, ROWS, heading=2)
    return [line.rstrip() for line in output.getvalue().splitlines()]


@pytest.mark.parametrize(("width", "terminal"), [(120, True), (40, False)])
def test_a_row_is_a_line_where_it_fits(width: int, terminal: bool) -> None:  # noqa: FBT001 - parameter of a test
    assert printed(width, terminal=terminal) == [
        f"outcome  run               mode  evidence{' ' * 33}".rstrip(),
        f"ok       Docker on host-a  plan  {RUN}",
    ]


def test_a_narrow_terminal_gets_a_block_with_the_whole_values() -> None:
    assert printed(50, terminal=True) == [
        "ok  Docker on host-a",
        "    mode      plan",
        f"    evidence  {RUN}",
    ]
