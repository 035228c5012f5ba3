"""No code prints past the filter: standard streams are taken in one place, and rich prints through one class."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.package_source import MODULES, TOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Where each way around the filter is allowed, and why that is safe.
ALLOWED = {
    "a standard stream": {
        "runbook_lib/printing/standard_streams.py",  # puts the filter there
        "runbook_lib/printing/console.py",  # rich writes to the styled side, after its text was filtered
        "runbook_lib/execution/notebook/kernel_output.py",  # filters what a kernel prints
        "runbook_lib/display/kernel_masking.py",  # discards a kernel's copy
        "runbook_lib/display/shown_outputs.py",  # has a kernel send what it has collected
        "runbook_lib/execution/fleet/worker.py",  # jobs in, results out
        "runbook_lib/cli/entry_point.py",  # one word of its own, while click is not loaded yet
    },
    "rich's console": {"runbook_lib/printing/console.py"},
    "a styled write": {"runbook_lib/printing/standard_streams.py"},
    "pytest's terminal": {
        "runbook_lib/pytest_plugin/plugin.py",
        "runbook_lib/pytest_plugin/testinfra_hosts.py",  # filters its one line
    },
}
_AROUND = {
    "a standard stream": re.compile(
        r"\bsys\.(__)?(stdout|stderr)(__)?\b|from sys import|getattr\(sys,|os\.(write|writev|fdopen|dup2)\([12]\b"
        r"|['\"]/dev/(tty|std|fd)"
    ),
    "rich's console": re.compile(
        r"from rich\.console import (.*\b)?Console\b|from rich import|\bimport rich\b"
    ),
    "a styled write": re.compile(r"\.write_styled\(|\.styled\b"),
    "pytest's terminal": re.compile(r"\b\w*(terminal|reporter)\w*\.(write\w*|line|section)\("),
}


def ways_around(code: str) -> Iterator[tuple[str, str]]:
    """Yield what prints without the filter: the way and the line, without comments."""
    for line in ast.unparse(ast.parse(code)).splitlines():
        yield from ((way, line.strip()) for way, pattern in _AROUND.items() if pattern.search(line))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TOP)))
def test_nothing_is_printed_past_the_filter(path: Path) -> None:
    place = str(path.relative_to(TOP))
    found = [
        f"{place}:{line}: {what}: use click.echo, logging, print_document or FilteredConsole"
        for what, line in ways_around(path.read_text(encoding="utf-8"))
        if place not in ALLOWED[what]
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.stdout.write(text)",
        "import sys\nsys.__stderr__.write(text)",
        "from sys import stdout",
        "from rich.console import Console",
        "import rich\nrich.print(text)",
        "from rich import print",
        "os.write(1, data)",
        "os.write(2, data)",
        "stream.write_styled(text)",
        "terminal.write_line(text)",
    ],
)
def test_new_code_that_prints_past_the_filter_is_found(code: str) -> None:
    assert list(ways_around(code))


def test_whatever_is_allowed_is_still_needed() -> None:
    found = {
        (what, str(path.relative_to(TOP)))
        for path in MODULES
        for what, _ in ways_around(path.read_text(encoding="utf-8"))
    }
    assert {(what, place) for what, places in ALLOWED.items() for place in places} == found
