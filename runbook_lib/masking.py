"""Replace secret values in text, in every encoding they are likely to appear in, also in streamed text."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Mask", "Masker"]

_SHORTEST_INNER = 6  # a shorter piece of base64 would mask ordinary words
_LINE_ENDS = str.maketrans("", "", "\r\n")


class Mask:
    """Known secret values and the reference that replaces each.

    Args:
        references: A value's replacement, by value.
    """

    def __init__(self, references: Mapping[str, str]) -> None:
        self._forms: dict[str, str] = {}
        patterns: dict[str, str] = {}
        for value, reference in references.items():
            for form in _plain_forms(value):
                self._forms.setdefault(form, reference)
                patterns.setdefault(form, re.escape(form))
            for form in _base64_forms(value):
                # Base64 encoders may break lines anywhere.
                self._forms.setdefault(form, reference)
                patterns.setdefault(form, r"(?:\r?\n)?".join(map(re.escape, form)))
        # Of two values that start at the same position the longer wins.
        longest_first = sorted(patterns, key=len, reverse=True)
        self._pattern = re.compile("|".join(patterns[form] for form in longest_first)) if patterns else None
        self._longest = max(map(len, patterns), default=0)

    def __call__(self, text: str) -> str:
        """Return `text` with every known value replaced."""
        return self._pattern.sub(self._stand_in, text) if self._pattern else text

    def part(self, text: str) -> tuple[str, str]:
        """Return the masked part of `text` that is final, and the rest, which may be the start of a secret value."""
        if self._pattern is None:
            return text, ""
        uncertain = self._uncertain_from(text)
        done, position = [], 0
        for match in self._pattern.finditer(text):
            if match.start() >= uncertain:
                break
            done += [text[position : match.start()], self._stand_in(match)]
            position = match.end()
        uncertain = max(uncertain, position)
        return "".join([*done, text[position:uncertain]]), text[uncertain:]

    def _stand_in(self, match: re.Match[str]) -> str:
        found = match[0]
        return self._forms.get(found) or self._forms[found.translate(_LINE_ENDS)]

    def _uncertain_from(self, text: str) -> int:
        """Return the position of the longest suffix of `text` that could be the start of a secret value."""
        # Base64 may hold a line end after every few characters, so look back further than the longest.
        for start in range(max(0, len(text) - 2 * self._longest), len(text)):
            end = text[start:]
            joined = end.translate(_LINE_ENDS)
            if any(
                len(form) > len(piece) and form.startswith(piece)
                for piece in (end, joined)
                if piece
                for form in self._forms
            ):
                return start
        return len(text)


class Masker:
    """Mask a stream of text; a value may be split across pieces."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add a piece of text; return the masked text that is final by now."""
        done, self._held = self._mask.part(self._held + piece)
        return done

    def end(self) -> str:
        """Return the text held back, masked; the masker can then be used for a new text."""
        rest, self._held = self._mask(self._held), ""
        return rest


def _plain_forms(value: str) -> Iterator[str]:
    """Yield a value in plain form, quoted for a shell, in JSON and percent-encoded."""
    yield value
    yield value.replace("'", "'\"'\"'")
    yield value.replace("'", "'\\''")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    for encoded in (
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote(value),
        urllib.parse.quote_plus(value),
    ):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), encoded)


def _base64_forms(value: str) -> Iterator[str]:
    """Yield a value in base64, standalone and inside a longer text, in both alphabets."""
    data = value.encode()
    for alphabet in (b"+/", b"-_"):
        yield base64.b64encode(data, alphabet).decode()
        yield base64.b64encode(data, alphabet).decode().rstrip("=")
        for before in range(3):
            # In a longer text, for example `user:password`, the bytes before the value shift its encoding.
            encoded = base64.b64encode(b"-" * before + data, alphabet).decode()
            inner = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
            if len(inner) >= _SHORTEST_INNER:
                yield inner
