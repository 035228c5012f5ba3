"""Make foreign text safe to show: what a host printed is data, never markup and never invisible."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.plans import Change
    from runbook_lib.model.records import CommandRecord, StreamRecord

__all__ = ["exit_summary", "stream", "unified", "visible"]

_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_CONTROLS = {code: f"<U+{code:04X}>" for code in range(0x80, 0xA0)}
# Characters that change the reading direction can make a command look like another one.
_DIRECTIONS = {
    code: f"<U+{code:04X}>" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
# Half characters, and those that Unicode gives to nobody: XML, HTML or UTF-8 refuse them.
_NONCHARACTERS = (
    *range(0xFDD0, 0xFDF0),
    *(plane + low for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF)),
)
_NEVER = dict.fromkeys([*range(0xD800, 0xE000), *_NONCHARACTERS], "\N{REPLACEMENT CHARACTER}")
_VISIBLE = _PICTURES | _CONTROLS | _DIRECTIONS | _NEVER


def visible(text: str) -> str:
    r"""Return `text` with every control character replaced by a visible symbol; valid in UTF-8, HTML and XML.

    >>> visible("bell \a, colour \x1b[31m")
    'bell ␇, colour ␛[31m'
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def stream(record: StreamRecord) -> str:
    """Return an output as text: the whole output, or its head and tail and the file that has the rest."""
    if record.complete:
        return record.head
    shortened = f"… shortened: all {record.size} bytes are in output/{record.sha256} …"
    return f"{record.head}\n\n{shortened}\n\n{record.tail}"


def exit_summary(command: CommandRecord) -> str:
    """Return how a command exited, in a few words."""
    if command.number == 0:
        return "planned, not sent"
    if command.exit_code is None:
        return f"no exit code: {command.problem or 'its end was not recorded'}"
    return f"exit {command.exit_code}" + ("" if command.accepted else ", not accepted")


def unified(change: Change) -> Iterator[tuple[str, str]]:
    """Yield a change's lines as a unified diff.

    Yields:
        The kind of line (`added`, `removed`, `place` or `same`) and the line with its sign.
    """
    before = change.before.splitlines() if change.before is not None else []
    after = change.after.splitlines() if change.after is not None else []
    lines = difflib.unified_diff(
        before,
        after,
        "before" if change.before is not None else "before: did not exist",
        "after" if change.after is not None else "after: removed",
        lineterm="",
    )
    for number, line in enumerate(lines):
        is_name = number < 2  # noqa: PLR2004 - a unified diff begins with two lines of names
        yield "place" if is_name else _KINDS[line[0]], line


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}
