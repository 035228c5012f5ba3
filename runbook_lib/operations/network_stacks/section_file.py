"""Files of sections with `Key=value` lines: systemd's (systemd.syntax(7)) and NetworkManager's profiles.

They are taken apart line by line, so that what is kept or moved stays byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.facts.base import lines_of
from runbook_lib.operations.configuration_text import ended

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Entry", "Section", "closed", "parse", "sections_of", "values"]

_COMMENT = ("#", ";")


@dataclass(frozen=True)
class Entry:
    """A line with a key and a value, together with the lines that continue it; or a comment or blank line.

    Args:
        raw: Its bytes in the file, with line ending.
        key: Empty for a comment or a blank line, or a line that is neither.
        value: Without the blanks around it.
    """

    raw: str
    key: str = ""
    value: str = ""

    @property
    def is_malformed(self) -> bool:
        """Whether the line is neither a key with its value, nor a comment, nor blank."""
        return not self.key and bool(self.raw.strip()) and not self.raw.lstrip().startswith(_COMMENT)


@dataclass(frozen=True)
class Section:
    """A section.

    Args:
        name: As in `[Network]`, without brackets; empty for the lines before the first section.
        raw: The line with the name.
        entries: The lines after it.
    """

    name: str
    raw: str
    entries: tuple[Entry, ...]

    @property
    def text(self) -> str:
        """Its bytes in the file."""
        return self.raw + "".join(entry.raw for entry in self.entries)


def parse(text: str, *, continued: bool) -> tuple[Section, ...]:
    r"""Take a file apart; all sections together have all of its bytes.

    Args:
        text: The file.
        continued: Whether a backslash at the end of a line continues it, as in systemd's files.

    >>> [section.name for section in parse("[Match]\nName=em1\n", continued=True)]
    ['', 'Match']
    """
    found: list[tuple[str, str, list[Entry]]] = [("", "", [])]
    for raw in _logical_lines(text, continued=continued):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            found.append((line[1:-1], raw, []))
            continue
        key, equals, value = line.partition("=")
        is_entry = equals and not line.startswith(_COMMENT) and key.strip()
        entry = Entry(raw, key.strip(), _joined(value)) if is_entry else Entry(raw)
        found[-1][2].append(entry)
    return tuple(Section(name, raw, tuple(entries)) for name, raw, entries in found)


def sections_of(sections: tuple[Section, ...], name: str) -> list[Section]:
    """Return the sections of a name; a file may have several.

    Args:
        sections: All sections.
        name: As `Network`.
    """
    return [section for section in sections if section.name == name]


def closed(entries: Iterable[Entry]) -> str:
    r"""Return lines of a file of systemd as text that can be followed by others, without the blank lines at its end.

    A blank line that ends a continued one belongs to that: without it the next line would be part of the value.

    Args:
        entries: In the order of the file.

    >>> closed([Entry("DNS=192.0.2.53 \\\n", "DNS", "192.0.2.53"), Entry("\n")])
    'DNS=192.0.2.53 \\\n\n'
    """
    kept = list(entries)
    while kept and not kept[-1].raw.strip():
        kept.pop()
    text = ended("".join(entry.raw for entry in kept))
    return f"{text}\n" if kept and _is_open(kept[-1].raw) else text


def values(sections: tuple[Section, ...], name: str, key: str) -> list[str]:
    """Return the values of a key in all sections of a name, in order; an empty value discards those before it.

    Args:
        sections: All sections.
        name: As `Network`.
        key: As `Address`.
    """
    found: list[str] = []
    for section in sections_of(sections, name):
        for entry in section.entries:
            if entry.key == key:
                found = [*found, entry.value] if entry.value else []
    return found


def _logical_lines(text: str, *, continued: bool) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]  # only a line feed ends a line
    lines[-1:] = [lines[-1][:-1]] if lines[-1] != "\n" else []
    if not continued:
        return lines
    found: list[str] = []
    open_line = False
    for line in lines:
        comment = line.lstrip().startswith(_COMMENT)
        if open_line:
            found[-1] += line
            open_line = comment or line.rstrip("\r\n").endswith("\\")  # comments between do not end it
        else:
            found.append(line)
            open_line = not comment and line.rstrip("\r\n").endswith("\\")
    return found


def _is_open(raw: str) -> bool:
    """Return whether the next line would continue this one, with the lines that continue it."""
    if raw.lstrip().startswith(_COMMENT):
        return False
    lines = [line for line in raw.removesuffix("\n").split("\n") if not line.lstrip().startswith(_COMMENT)]
    return lines[-1].rstrip("\r").endswith("\\")


def _joined(value: str) -> str:
    parts = [line for line in lines_of(value) if not line.lstrip().startswith(_COMMENT)]
    return " ".join(part.rstrip("\\").strip() for part in parts).strip()
