"""Edit `/etc/network/interfaces` stanza by stanza; all other bytes are kept (interfaces(5))."""

from __future__ import annotations

import re

__all__ = ["add", "has_ipv6", "split", "without", "without_comments"]

_KEYWORDS = re.compile(
    r"^\s*(auto|allow-\S+|iface|mapping|source|source-directory|no-auto-down|no-scripts|rename)\b"
)


def split(text: str) -> list[str]:
    """Return the stanzas of an interfaces file in order; joined again they are the file.

    A stanza is a line with a keyword and the lines after it up to the next keyword. The lines before the first
    keyword are a piece of their own.
    """
    pieces: list[str] = []
    for line in text.splitlines(keepends=True):
        begins = _KEYWORDS.match(line) is not None
        if begins or not pieces:
            pieces.append(line)
        else:
            pieces[-1] += line
    return pieces


def without(text: str, name: str) -> str:
    """Return the file without an interface's configuration; comments before the next stanza are kept."""
    kept: list[str] = []
    for piece in split(text):
        first, newline, rest = piece.partition("\n")
        words = first.split()
        if words[:1] == ["iface"] and words[1:2] == [name]:
            kept.append(_comments_at_end(rest))
        elif words and (words[0] == "auto" or words[0].startswith("allow-")) and name in words[1:]:
            others = [word for word in words[1:] if word != name]
            kept.append(" ".join([words[0], *others]) + newline + rest if others else _comments_at_end(rest))
        else:
            kept.append(piece)
    return "".join(kept)


def _comments_at_end(text: str) -> str:
    """Return the comments after a stanza's last option: they belong to the next stanza."""
    lines = text.splitlines(keepends=True)
    begin = len(lines)
    while begin and (not lines[begin - 1].strip() or lines[begin - 1].lstrip().startswith("#")):
        begin -= 1
    tail = lines[begin:]
    while tail and not tail[0].strip():
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
    return f"{base}\n\nauto {name}\niface {name} inet {method}\n{body}".lstrip("\n")


def has_ipv6(text: str, name: str) -> bool:
    """Return whether the file configures IPv6 addresses for an interface.

    `inet6 auto`, which Debian's installer writes, does not count: it is the default without a stanza, too.
    """
    stanzas = (line.split() for line in text.splitlines())
    return any(words[:3] == ["iface", name, "inet6"] and words[3:4] != ["auto"] for words in stanzas)


def without_comments(text: str) -> list[str]:
    """Return the effective lines: without comments, blank lines and extra spaces."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
