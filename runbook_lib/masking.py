"""Replace secret values in text, in every encoding they are likely to appear in, also in streamed text."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from runbook_lib.encoded_forms import encoded_forms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["CUT", "Mask", "Masker", "NeverShown", "excerpt", "excerpt_of_end"]

CUT = "…"
"""What an excerpt leaves where it cuts: a mask looks there for the beginning or the end of a secret value."""

_SHORTEST_INNER = 6  # a shorter piece of base64 would mask ordinary words
_SHORTEST_LINE = 8  # characters of a line of a multi-line value that is masked on its own
_SHORTEST_CUT = 4  # characters of a value before a cut: fewer give nothing away
_KEY = 8  # characters by which the start of a value is found
_LINE_ENDS = str.maketrans("", "", "\r\n")


class NeverShown:
    """Marks, in `Annotated`, the type of a value that no message shows: what was given instead may be the secret."""


class Mask:
    """Known secret values and the reference that replaces each.

    Args:
        references: A value's replacement, by value.
    """

    def __init__(self, references: Mapping[str, str]) -> None:
        self._forms: dict[str, str] = {}
        self._in_base64: dict[str, None] = {}
        for value, reference in references.items():
            for form in _plain_forms(value):
                self._forms.setdefault(form, reference)
            for form in _base64_forms(value):
                self._forms.setdefault(form, reference)
                self._in_base64[form] = None
        # Of two values that start at the same position the longer wins.
        self._longest_first = sorted(self._forms, key=len, reverse=True)
        self._longest = max(map(len, self._forms), default=0)
        self._begun = {form[:size] for form in self._forms for size in range(1, min(_KEY, len(form)))}
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}

    def __call__(self, text: str) -> str:
        """Return `text` with every known value replaced, and what an excerpt has left of one at its cut."""
        pattern = self._pattern_for(text)
        masked = pattern.sub(self._stand_in, text) if pattern else text
        return self._mask_cuts(masked) if CUT in masked and self._forms else masked

    def _pattern_for(self, text: str) -> re.Pattern[str] | None:
        """Return a pattern of those forms that the text has, if any.

        Looking for each form on its own is many times faster than looking for any of them at each position.
        """
        joined = text.translate(_LINE_ENDS) if "\n" in text else text
        found = tuple(
            form
            for form in self._longest_first
            if form in text or (form in self._in_base64 and form in joined)
        )
        if not found:
            return None
        if found not in self._patterns:
            self._patterns[found] = re.compile(
                "|".join(
                    # Base64 encoders may break lines anywhere.
                    (r"(?:\r?\n)?" if form in self._in_base64 else "").join(map(re.escape, form))
                    for form in found
                )
            )
        return self._patterns[found]

    def cut_off(self, text: str) -> str:
        """Return a text masked that somebody has ended anywhere, so that it may end with a part of a value."""
        return self(text + CUT).removesuffix(CUT)

    def _mask_cuts(self, text: str) -> str:
        pieces = text.split(CUT)
        for number, piece in enumerate(pieces[:-1]):
            start = self._uncertain_from(piece)
            if len(piece) - start >= _SHORTEST_CUT:
                pieces[number] = f"{piece[:start]}[secret]"
        for number, piece in enumerate(pieces[1:], start=1):
            size = self.ended_at_start(piece)
            if size:
                pieces[number] = f"[secret]{piece[size:]}"
        return CUT.join(pieces)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each known value in `text`."""
        pattern = self._pattern_for(text)
        return [match.span() for match in pattern.finditer(text)] if pattern else []

    def begun_at_end(self, text: str) -> int:
        """Return how many characters at the end of a text are the beginning of a known value, but not all of it.

        So few that they give nothing away count as none; as in `ended_at_start`.
        """
        size = self._begun_at_end(text[-self._longest :] if self._longest else "")
        return size if size >= _SHORTEST_CUT else 0

    def ended_at_start(self, text: str) -> int:
        """Return how many characters at the start of a text are the end of a known value, but not all of it."""
        sizes = (
            size
            for form in self._forms
            for size in range(min(len(form) - 1, len(text)), _SHORTEST_CUT - 1, -1)
            if text.startswith(form[-size:])
        )
        return max(sizes, default=0)

    def part(self, text: str) -> tuple[str, str]:
        """Return the masked part of `text` that is final, and the rest, which may be the start of a secret value."""
        uncertain = self._uncertain_from(text)
        done, position = [], 0
        pattern = self._pattern_for(text)
        for match in pattern.finditer(text) if pattern else ():
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
        start = len(text) - self._begun_at_end(text[-self._longest :] if self._longest else "")
        # Base64 may contain a line end, of one or two characters, after every character.
        tail = text[-3 * self._longest :] if self._longest else ""
        joined = tail.translate(_LINE_ENDS)
        if len(joined) == len(tail):
            return start
        left = self._begun_at_end(joined[-self._longest :])
        position = len(text)
        while left:
            position -= 1
            left -= text[position] not in "\r\n"
        return min(start, position)

    def _begun_at_end(self, text: str) -> int:
        """Return how many characters at the end of a text are the start of a form, but not all of it."""
        most = 0
        for form in self._forms:
            key = form[:_KEY]
            # Only a longer beginning than the longest so far is of interest.
            position = len(text) - len(form)
            while position < len(text) - most:
                position = text.find(key, max(0, position + 1), len(text) - most + len(key) - 1)
                if position < 0:
                    break
                if form.startswith(text[position:]):
                    most = len(text) - position
        if most == 0:
            ends = (size for size in range(min(_KEY - 1, len(text)), 0, -1) if text[-size:] in self._begun)
            most = next(ends, 0)
        return most


class Masker:
    """Mask a stream of text; a value may be split across pieces.

    Args:
        current: Returns the mask of the values known by now: further ones may become known while the text arrives.
    """

    def __init__(self, current: Callable[[], Mask]) -> None:
        self._current = current
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add a piece of text; return the masked text that is final by now."""
        done, self._held = self._current().part(self._held + piece)
        return done

    def end(self, *, cut_off: bool = False) -> str:
        """Return the text held back, masked; the masker can then be used for a new text.

        Args:
            cut_off: The text may have ended inside of a value.
        """
        mask = self._current()
        rest, self._held = (mask.cut_off if cut_off else mask)(self._held), ""
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


def excerpt_of_end(text: str, most: int) -> str:
    """Return the end of a text that comes from a host, for a message; as `excerpt` for its beginning.

    Args:
        text: The text.
        most: Characters to keep.
    """
    return text if len(text) <= most else f"{CUT}{text[-most:]}"


def _plain_forms(value: str) -> Iterator[str]:
    """Yield a value in the forms in which programs print it, its lines, and in other case."""
    yield from encoded_forms(value)
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))
    if len(value) >= _SHORTEST_LINE:  # of a shorter value another case is an ordinary word
        yield value.upper()
        yield value.lower()


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
