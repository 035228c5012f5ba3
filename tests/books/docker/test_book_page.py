"""The page that leads from the book to the notebooks agrees with the notebooks, and its checks exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.books.docker.book_page import DOCUMENT, SYSTEMS, TOP, page, shown

LIBRARY = "\n".join(path.read_text(encoding="utf-8") for path in (TOP / "runbook_lib").rglob("*.py"))


def test_the_page_is_what_the_notebooks_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python -m tests.books.docker.book_page"


def test_every_entry_names_a_system_of_the_book_and_a_check_that_the_library_makes() -> None:
    for entry in shown():
        assert entry.system in SYSTEMS, entry
        assert f'"{entry.check}"' in LIBRARY, entry
        assert entry.tried, entry
        assert entry.needs, entry


def test_every_system_that_a_notebook_mentions_is_in_its_metadata_or_shown_elsewhere() -> None:
    known = {entry.system for entry in shown()}
    for path in sorted(Path(TOP / "notebooks").glob("*.ipynb")):
        mentioned = set(re.findall(r"\bS(?:1[0-2]|[1-9])\b", path.read_text(encoding="utf-8")))
        assert mentioned <= known, path.name
