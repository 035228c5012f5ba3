"""Replace secret values in text, in every encoding they are likely to appear in, also in streamed text."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CUT", "Mask", "Masker", "excerpt"]

CUT = "…"
"""What `excerpt` leaves where it cuts: a mask looks there for the beginning of a secret value."""

_SHORTEST_INNER = 6  # a shorter piece of base64 would mask ordinary words
_SHORTEST_LINE = 8  # characters of a line of a multi-line value that is masked on its own
_SHORTEST_CUT = 4  # characters of a value before a cut: fewer give nothing away
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
        """Return `text` with every known value replaced, and what an `excerpt` has left of one at its cut."""
        if self._pattern is None:
            return text
        masked = self._pattern.sub(self._stand_in, text)
        return self._mask_cuts(masked) if CUT in masked else masked

    def _mask_cuts(self, text: str) -> str:
        pieces = text.split(CUT)
        for number, piece in enumerate(pieces[:-1]):
            start = self._uncertain_from(piece)
            if len(piece) - start >= _SHORTEST_CUT:
                pieces[number] = f"{piece[:start]}[secret]"
        return CUT.join(pieces)

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
        # Base64 may contain a line end after every few characters, so search back further than the longest form.
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


def excerpt(text: str, most: int) -> str:
    """Return the beginning of a text that comes from a host, for a message; the only way to cut such a text.

    A secret value that the cut divides is not found by its whole form any more. The mark at the cut lets a `Mask`
    recognise its beginning.

    Args:
        text: The text.
        most: Characters to keep.
    """
    return text if len(text) <= most else f"{text[:most]}{CUT}"


def _plain_forms(value: str) -> Iterator[str]:
    """Yield a value in plain form, quoted for a shell, in JSON, HTML and hexadecimal, and percent-encoded."""
    yield value
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))
    yield html.escape(value)
    yield value.encode().hex()
    yield value.encode().hex().upper()
    if len(value) >= _SHORTEST_LINE:  # of a shorter value another case is an ordinary word
        yield value.upper()
        yield value.lower()
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
