"""Edit `/etc/network/interfaces` stanza by stanza; all other bytes are kept (interfaces(5))."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Line",
    "Stanza",
    "add",
    "addresses",
    "last_value",
    "parse",
    "split",
    "values",
    "without",
    "without_comments",
]

_KEYWORD = re.compile(
    r"auto|allow-\S+|iface|template|mapping|source|source-dir|source-directory|no-auto-down|no-scripts|rename"
)
_WITH_OPTIONS = frozenset({"iface", "mapping", "template"})
_BLANK = " \t\v\f\r\n"  # isspace(3) in the C locale, as ifupdown reads: a no-break space is part of a word


@dataclass(frozen=True)
class Line:
    """A line as ifupdown reads it: with the lines that continue it, or a comment or blank line.

    Args:
        raw: Its bytes in the file, continuation and line ending included.
        words: Its words; empty for a comment or a blank line.
    """

    raw: str
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        """The option's name, with `-` for `_`: ifupdown's scripts accept both."""
        return self.words[0].replace("_", "-") if self.words else ""

    @property
    def value(self) -> str:
        """All words after the first."""
        return " ".join(self.words[1:])

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Stanza:
    """A line with a keyword and the lines after it; the lines before the first keyword are a stanza of their own."""

    lines: tuple[Line, ...]

    @property
    def raw(self) -> str:
        """Its bytes in the file."""
        return "".join(line.raw for line in self.lines)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its first line."""
        return self.lines[0].words

    @property
    def options(self) -> tuple[Line, ...]:
        """The effective lines after the first."""
        return tuple(line for line in self.lines[1:] if line.words)

    @property
    def body(self) -> tuple[Line, ...]:
        """The lines after the first, up to the last option: comments after it belong to the next stanza."""
        last = max((at for at, line in enumerate(self.lines) if line.words), default=0)
        return self.lines[1 : last + 1]

    @property
    def misplaced(self) -> tuple[Line, ...]:
        """The effective lines that are not options of anything: ifupdown refuses a file with such a line."""
        if not self.words or not _KEYWORD.fullmatch(self.words[0]):
            return tuple(line for line in self.lines if line.words)
        return () if self.words[0] in _WITH_OPTIONS else self.options

    def configures(self, name: str, family: str = "") -> bool:
        """Return whether this is a stanza `iface` of an interface, of one family if it is given."""
        return self.words[:2] == ("iface", name) and family in {"", *self.words[2:3]}

    def starts(self, name: str) -> bool:
        """Return whether this is a line `auto` or `allow-…` that names the interface."""
        return self.words[:1] != () and _starts(self.words[0]) and name in self.words[1:]


def parse(text: str) -> tuple[Stanza, ...]:
    """Return the stanzas of an interfaces file in order; their `raw` joined is the file."""
    stanzas: list[list[Line]] = []
    for line in _lines(text):
        if not stanzas or (line.words and _KEYWORD.fullmatch(line.words[0])):
            stanzas.append([line])
        else:
            stanzas[-1].append(line)
    return tuple(Stanza(tuple(lines)) for lines in stanzas)


def _lines(text: str) -> list[Line]:
    found: list[Line] = []
    physical = re.findall(r"[^\n]*\n|[^\n]+", text)
    while physical:
        raw = physical.pop(0)
        if not raw.strip(_BLANK) or raw.lstrip(_BLANK).startswith("#"):
            found.append(Line(raw, ()))
            continue
        content = raw.removesuffix("\n")
        # `\` before a carriage return continues nothing: ifupdown looks at the last byte only.
        while content.endswith("\\") and physical:
            more = physical.pop(0)
            raw += more
            content = content[:-1] + more.removesuffix("\n")
        words = re.split(f"[{_BLANK}]+", content.strip(_BLANK))
        found.append(Line(raw, tuple(word for word in words if word)))
    return found


def split(text: str) -> list[str]:
    """Return the stanzas of an interfaces file in order; joined again they are the file."""
    return [stanza.raw for stanza in parse(text)]


def without(text: str, name: str) -> str:
    """Return the file without an interface's configuration; comments before the next stanza are kept."""
    kept: list[str] = []
    for stanza in parse(text):
        if stanza.configures(name):
            kept.append(_comments_at_end(stanza))
        elif stanza.starts(name):
            others = [word for word in stanza.words[1:] if word != name]
            first = stanza.lines[0].raw
            rest = stanza.raw[len(first) :]
            ending = first[len(first.rstrip("\r\n")) :]
            kept.append(
                " ".join([stanza.words[0], *others]) + ending + rest if others else _comments_at_end(stanza)
            )
        else:
            kept.append(stanza.raw)
    return "".join(kept)


def _starts(keyword: str) -> bool:
    return keyword == "auto" or keyword.startswith("allow-")


def _comments_at_end(stanza: Stanza) -> str:
    """Return the comments after a stanza's last option: they belong to the next stanza."""
    tail = [line.raw for line in stanza.lines[1 + len(stanza.body) :]]
    while tail and not tail[0].strip(_BLANK):
        tail.pop(0)
    return "".join(tail)


def add(text: str, name: str, method: str, options: list[tuple[str, str]]) -> str:
    """Return the file with an added stanza at its end, for an interface that is brought up at boot.

    Args:
        text: The file; it must not configure the interface yet.
        name: The interface.
        method: `static` or `manual`.
        options: Names and values, in order.
    """
    body = "".join(f"    {key} {value}\n" for key, value in options)
    base = text.rstrip("\n")
    before = f"{base}\n\n" if base else ""
    return f"{before}auto {name}\niface {name} inet {method}\n{body}"


def values(options: Iterable[Line], key: str) -> list[str]:
    """Return the values of an option, in order."""
    return [line.value for line in options if line.key == key]


def last_value(options: Iterable[Line], key: str) -> str:
    """Return the last value of an option, which counts; empty if it is not given."""
    return next(reversed(values(options, key)), "")


def addresses(stanzas: Iterable[Stanza]) -> list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    """Return the addresses of static stanzas; one that cannot be read is left out, and so never equals a wanted one."""
    found = []
    for stanza in stanzas:
        if stanza.words[3:4] != ("static",):
            continue
        address, mask = last_value(stanza.options, "address"), last_value(stanza.options, "netmask")
        text = address if "/" in address or not mask else f"{address}/{mask}"
        try:
            found.append(ipaddress.ip_interface(text))
        except ValueError:
            continue
    return found


def without_comments(text: str) -> list[str]:
    """Return the effective lines: without comments, blank lines and extra spaces."""
    return [line.text for line in _lines(text) if line.words]
