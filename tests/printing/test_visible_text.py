"""The filter for foreign text: nothing that a terminal or a CI system obeys, and nothing invisible, passes it."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.printing.visible_text import CommandGuard, for_log, in_json, visible
from tests.hostile_text import COMMANDS, HOSTILE, assert_harmless

_PIECES = st.sampled_from(
    [*COMMANDS, *HOSTILE, ":", "#", "##", "[", " ", "\n", "\t", "a", "\u3000", "vso", "::"]
)
TEXT = st.lists(st.one_of(st.text(st.characters(codec=None), max_size=3), _PIECES), max_size=12).map("".join)


@given(TEXT)
def test_nothing_that_is_obeyed_or_invisible_passes(text: str) -> None:
    shown = for_log(text)
    assert_harmless(shown.encode())
    assert for_log(shown) == shown


@given(TEXT, st.data())
def test_it_makes_no_difference_in_which_pieces_text_is_written(text: str, data: st.DataObject) -> None:
    guard, shown, rest = CommandGuard(), "", visible(text)
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        shown += guard(rest[:cut])
        rest = rest[cut:]
    assert_harmless(shown.encode())


@given(TEXT)
def test_a_json_document_means_the_same_and_is_harmless(text: str) -> None:
    document = json.dumps([text, {text: 1}], ensure_ascii=False, indent=1)
    shown = in_json(document)
    assert json.loads(shown) == json.loads(document)
    assert_harmless(shown.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain\n\ttext",
        "日本語 привет עברית فارسی",
        "naïve café",
        "😀 👩‍👩‍👧",
        "fe80::1 and a::b",
        "## heading [1]",
        "10:20::30",
    ],
)
def test_ordinary_text_of_all_languages_stays(text: str) -> None:
    assert for_log(text) == text


# They shape words in German, Persian and Hindi, join emojis, or are seen.
_SEEN = re.compile("SOFT HYPHEN|ZERO WIDTH (NON-)?JOINER|ARABIC|SYRIAC|KAITHI|EGYPTIAN|SHORTHAND|MUSICAL")


def test_no_character_is_invisible() -> None:
    for code in range(0x110000):
        sign = chr(code)
        kind = unicodedata.category(sign)
        if kind in {"Cc", "Zl", "Zp", "Cs"} and sign not in "\n\t":
            assert visible(sign) != sign, hex(code)
        if kind == "Cf":
            name = unicodedata.name(sign, "")
            if sign == "\u061c" or not _SEEN.search(name):
                assert visible(sign) != sign, name


def test_the_filter_is_quick() -> None:
    """A page of spaces or of signs that could begin a command takes no longer than other text."""
    for text in (" " * 300_000, "#" * 300_000, "##a" * 100_000, "::" * 150_000, "\n \n" * 100_000):
        assert len(for_log(text)) >= len(text)
