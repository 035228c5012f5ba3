"""What a hostile host, notebook or archive would print, and the check that none of it reaches a reader."""

from __future__ import annotations

import re

__all__ = ["COMMANDS", "EVERYTHING", "HOSTILE", "assert_harmless"]

HOSTILE = (
    "\x1b]0;owned\x07",  # the window's title
    "\x1b]52;c;b3duZWQ=\x07",  # the clipboard
    "\x1b]8;;http://owned.example\x1b\\click\x1b]8;;\x1b\\",  # a link
    "\x1b[2J\x1b[H",  # clear
    "\x1b[8mhidden\x1b[0m",  # conceal
    "\x1b[1A\x1b[2K",  # the line above
    "\x1bPq\x1b\\",
    "\x9b2J\x9d0;owned\x9c",  # the same in C1
    "rm\u202e fr-\u2066",  # runs backwards
    "a\u061cb\u200fc\u200bd\ufeff",
    "fine\rowned",
    "\0\x08\x7f",
    "one\x85two\u2028three\x0b\x0c",
    "\U000e0041",
    "\ud800",  # half of a character
)
COMMANDS = (
    "::set-output name=a::b",
    "::add-mask::secret",
    "::stop-commands::token",
    "##[group]owned",
    "##[set-env name=PATH]/owned",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildStatus status='SUCCESS']",
    "section_start:1700000000:owned[collapsed=true]\r\x1b[0K",
    "travis_fold:start:owned",
)
EVERYTHING = "".join([*HOSTILE, *(f"\n{command}\n  {command}" for command in COMMANDS)])

_FORBIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_COMMAND = re.compile(
    r"^\s*(::[A-Za-z]|##\w*\[|section_(start|end):|travis_fold:)|##(\[|vso\[|teamcity\[)", re.MULTILINE
)
_STYLE = re.compile(r"\x1b\[[0-9;?]*[mhlAK]")  # what rich sends: colors, cursor, lines


def assert_harmless(output: bytes, *, styled: bool = False, encoding: str = "utf-8") -> None:
    """Fail if output has a byte that a terminal or a CI system obeys, or that nobody sees.

    Args:
        output: What was printed.
        styled: It went to a terminal: the product's own styles may be in it.
        encoding: The output's.
    """
    text = output.decode(encoding)
    if styled:
        text = _STYLE.sub("", text).replace("\r\n", "\n").replace("\r", "")
    found = _FORBIDDEN.search(text) or _COMMAND.search(text)
    assert not found, f"{found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 60]!r}"
