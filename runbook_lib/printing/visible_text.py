"""The one filter for foreign text: what a host, a notebook or an archive says is data, never a command to its reader.

The reader may be a terminal, which obeys control sequences; a CI system, which obeys lines of certain forms; or a
person, who is misled by text that is invisible or runs backwards. Each such character or form becomes a visible one.
"""

from __future__ import annotations

import re

__all__ = ["CommandGuard", "for_log", "in_json", "visible"]

_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
# C1 controls, characters that change the reading direction, end a line, or are not seen at all.
_NAMED = [
    *range(0x80, 0xA0),
    0x061C,
    0x180E,
    0x200B,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
]
# Half characters, and those that Unicode gives to nobody: XML, HTML or UTF-8 refuse them.
_NONCHARACTERS = (
    *range(0xFDD0, 0xFDF0),
    *(plane + low for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF)),
)
_NEVER = dict.fromkeys([*range(0xD800, 0xE000), *_NONCHARACTERS], "\N{REPLACEMENT CHARACTER}")
_VISIBLE: dict[int, int | str] = {**_PICTURES, **{code: f"<U+{code:04X}>" for code in _NAMED}, **_NEVER}
_FORBIDDEN_IN_ASCII = re.compile(f"[{''.join(re.escape(chr(code)) for code in _PICTURES)}]")
_FORBIDDEN = re.compile(f"[{''.join(re.escape(chr(code)) for code in sorted(_VISIBLE))}]")

# What CI systems obey. GitHub: `::name` after blanks, `##[name]` anywhere. Azure: `##vso[` anywhere. TeamCity:
# `##teamcity[`. GitLab: `section_start:`. Travis: `travis_fold:`. The product's own color may come before each.
_COMMAND = re.compile(
    r"^(?:[^\S\n]|\x1b\[[0-9;?]*[A-Za-z])*(?P<first>::[A-Za-z]|section_(?:start|end):|travis_(?:fold|time):)|(?P<hashes>##)\w*\[",
    re.MULTILINE,
)
_LONGEST = 40  # characters of the longest command name, and some
_BAR = "| "


def visible(text: str) -> str:
    r"""Return `text` with every control character replaced by a visible symbol; valid in UTF-8, HTML and XML.

    Newlines and tabs stay, and so do letters of all languages.

    >>> visible("bell \a, colour \x1b[31m")
    'bell ␇, colour ␛[31m'
    """
    # The large class of characters is searched slowly, and most text has none of them: printable ones are never in it.
    if text.isprintable() or not (_FORBIDDEN_IN_ASCII if text.isascii() else _FORBIDDEN).search(text):
        return text
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def for_log(text: str) -> str:
    r"""Return `text` for a terminal or the log of a CI system: `visible`, and no part of it a command to a CI system.

    >>> for_log("done\n::set-output name=a::b")
    'done\n| ::set-output name=a::b'
    """
    return CommandGuard()(visible(text))


def in_json(text: str) -> str:
    r"""Return a JSON document that means the same, with what `for_log` would replace as `\u` escapes instead.

    Args:
        text: The document; all it has outside of strings are ASCII characters, blanks and newlines.
    """
    escaped = _FORBIDDEN.sub(_escape, text)
    return _COMMAND.sub(lambda match: match[0].replace("##", "#\\u0023", 1), escaped)


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


class CommandGuard:
    """Breaks what a CI system would take for a command, in text that arrives in pieces."""

    def __init__(self) -> None:
        self._line = ""  # of the line that is being written: enough of it to recognize a command

    def __call__(self, text: str) -> str:
        """Return the next piece of text, with a visible mark in each command that it begins or completes."""
        whole = self._line + text
        position = known = len(self._line)
        pieces = []
        for match in _COMMAND.finditer(whole):
            if match.end() > known:
                first = match.start("first")
                cut = max(known, first if first >= 0 else match.end("hashes"))
                pieces += [whole[position:cut], _BAR if first >= 0 else " "]
                position = cut
        guarded = "".join([*pieces, whole[position:]])
        line = (self._line + guarded).rpartition("\n")[2].lstrip()
        self._line = line if len(line) <= _LONGEST else f"x{line[-_LONGEST:]}"
        return guarded
