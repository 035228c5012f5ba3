"""README.zh.md says in Chinese what README.md says: the same commands, runbooks, exit codes and links."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.blocks import blocks

TOP = Path(__file__).parents[2]
ORIGINAL, TRANSLATED = TOP / "README.md", TOP / "README.zh.md"
_COMMENT = re.compile(r"\s+# .*")
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def commands(page: Path) -> list[list[str]]:
    return [[_COMMENT.sub("", line) for line in block.text.splitlines()] for block in blocks(page)]


def first_cells(page: Path) -> list[str]:
    """Codes in the first column of each table: the names of runbooks, and exit codes."""
    rows = re.findall(r"^\| ([^|]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [cell for cell in rows if re.fullmatch(r"`\w+`|\d", cell)]


def links(page: Path) -> list[str]:
    others = {ORIGINAL.name, TRANSLATED.name}  # each page links to the other one
    return [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if link not in others]


def test_the_commands_are_those_of_the_original() -> None:
    assert any("runbook audit verify" in line for block in commands(ORIGINAL) for line in block)
    assert commands(TRANSLATED) == commands(ORIGINAL)


def test_runbooks_and_exit_codes_are_those_of_the_original() -> None:
    assert len(first_cells(ORIGINAL)) > 10
    assert first_cells(TRANSLATED) == first_cells(ORIGINAL)


def test_the_links_are_those_of_the_original() -> None:
    assert sorted(links(TRANSLATED)) == sorted(links(ORIGINAL))
    assert len(links(TRANSLATED)) > 30


def test_both_have_the_same_headings_in_number() -> None:
    levels = [
        re.findall(r"^(#+) ", page.read_text(encoding="utf-8"), re.MULTILINE)
        for page in (ORIGINAL, TRANSLATED)
    ]
    assert levels[0] == levels[1]
