"""Inputs that are almost those of real hosts and runs: seeds with a few lines, words, bytes or values changed."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JSON", "JUNK", "mutated_bytes", "mutated_json", "mutated_text"]

JUNK = st.one_of(
    st.sampled_from(
        [
            "", " ", "\n", "\t", "\0", "\r\n", "\\", "'", '"', "#", "=", ">", "{", "}", "[]", "-1", "0", "None", "null",
            "true", "9" * 30, "1e999", "NaN", "$x", "${x}", "..", "/", "%", "*", "!", "\x1b[2J", "\u202e", "\ufeff",
            "é", "\x85", "\u2028", "²", "٣", "Welcome to this host!", "sh: 1: ip: not found", "==> ",
        ]
    ),
    st.text(max_size=8),
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**30, -1, 0, "", "0", [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_EDITS = ("drop line", "double line", "swap lines", "cut", "replace word", "insert", "remove", "join lines")


@st.composite
def mutated_text(draw: st.DrawFn, seeds: Sequence[str], most: int = 4) -> str:
    """Draw one of the seeds, changed in up to `most` places."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, most))):
        text = _edited(draw, text)
    return text


def _edited(draw: st.DrawFn, text: str) -> str:
    edit = draw(st.sampled_from(_EDITS))
    at = draw(st.integers(0, len(text)))
    if edit == "cut":
        return text[:at]
    if edit == "insert":
        return text[:at] + draw(JUNK) + text[at:]
    if edit == "remove":
        return text[:at] + text[at + draw(st.integers(1, 20)) :]
    if edit == "replace word":
        words = [*re.finditer(r"\w+", text)]
        if not words:
            return text
        word = draw(st.sampled_from(words))
        return text[: word.start()] + draw(JUNK) + text[word.end() :]
    lines = text.splitlines(keepends=True) or [""]
    first, second = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
    if edit == "drop line":
        del lines[first]
    elif edit == "double line":
        lines.insert(second, lines[first])
    elif edit == "swap lines":
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines[first] = lines[first].rstrip("\n")
    return "".join(lines)


@st.composite
def mutated_bytes(draw: st.DrawFn, data: bytes, most: int = 3) -> bytes:
    """Draw `data` with up to `most` pieces of it replaced, at least one."""
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=6)) + data[at + draw(st.integers(0, 6)) :]
    return data


@st.composite
def mutated_json(draw: st.DrawFn, value: Any, most: int = 3) -> Any:  # noqa: ANN401 - JSON
    """Draw a copy of a JSON value in which up to `most` values were replaced, removed or doubled, at least one."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, most))):
        container, key = _place(draw, value)
        if container is None:
            return draw(JSON)
        edit = draw(st.sampled_from(["replace", "remove", "double", "other"]))
        if edit == "remove":
            del container[key]
        elif edit == "double" and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif edit == "other" and isinstance(container, dict):
            container[draw(st.sampled_from([*container, "x"]))] = copy.deepcopy(container[key])
        else:
            container[key] = draw(JSON)
    return value


def _place(draw: st.DrawFn, value: Any) -> tuple[Any, Any]:  # noqa: ANN401 - JSON
    """Draw a place in a JSON value: a container and the key or position of what it holds there."""
    container, key = None, None
    while isinstance(value, dict | list) and value and (container is None or draw(st.integers(0, 4))):
        container = value
        key = draw(st.sampled_from([*value] if isinstance(value, dict) else range(len(value))))
        value = container[key]
    return container, key
