"""Any file name has a text of its own that UTF-8 can hold, and the text leads back to the file."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.evidence.path_text import path_from_text, path_text

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name and name != b"/")


@given(
    NAMES | st.lists(st.sampled_from([b"\\", b"x", b"e9", b"\xe9", b"\xc3\xa9", b"\n", b"/"])).map(b"".join)
)
def test_a_text_leads_back_to_its_path(name: bytes) -> None:
    path = os.fsdecode(name)
    text = path_text(path)
    assert path_from_text(text) == path
    text.encode()
    assert text.isprintable() or not text.isascii()


@given(NAMES, NAMES)
def test_two_paths_have_two_texts(one: bytes, other: bytes) -> None:
    assert (path_text(os.fsdecode(one)) == path_text(os.fsdecode(other))) == (one == other)


def test_names_as_people_give_them_stay_as_they_are() -> None:
    for name in ("runs/10_x.ipynb", "Überprüfung 1.ipynb", "C:\\new\\runs", "a\\y1"):
        assert path_text(name) == name
    assert path_text(os.fsdecode(b"a\\b/latin\xe9.ipynb")) == "a\\b/latin\\xe9.ipynb"
    assert path_text("latin\\xe9.ipynb") == "latin\\x5cxe9.ipynb"
