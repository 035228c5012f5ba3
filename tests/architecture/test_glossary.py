"""The glossary: words of a private dialect stay out of code, docs and notebooks; the field's own take their place.

The left column of the glossary, as far as a pattern can recognise it, and what to write instead.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
INSTEAD = {
    r"\b_?told_?\w*\b": "event, payload, record, message, signalled, reported",
    r"(?<!\.)\btells?\b": "report, emit, print, parse, says",
    r"\banew\b": "again, re-, new",
    r"\bwhoever\b": "operator, parent process, signer",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bhow-manieth\b": "ordinal, number",
    r"\bat hand\b": "available",
    r"\b(last words|patience)\b": "grace period, timeout",
    r"\b(go(es)?|going|gone) on with\b": "resume, resumed, continue",
    r"(?<!there )\b(is|are) no (?!longer|more|different|other)": "is not a",
    r"\b(is|are) none of\b": "is not one of",
    r"\bbeside\b": "next to, in parallel with",
    r"\b(puts?|putting) back\b": "roll back, restore",
    r"\blies? (on|in|at|below|there|alone)\b": "is stored in, is in",
    r"\b(lets?|letting) go\b": "release",
    r"\blone\b": "standalone",
    r"\bwhat to do:": "hint:",
}
SUFFIXES = {".py", ".md", ".ipynb", ".j2", ".yml", ".toml", ".js", ".css", ".sh"}
# Old evidence speaks as it was written; this file and the decision about words have to name them.
APART = ("tests/evidence/old_archive/", "tests/architecture/test_glossary.py")
FILES = sorted(
    path
    for top in ("runbook_lib", "tests", "docs", "notebooks", "examples", "benchmarks", "params", "images", "tools",
                "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")
    for path in ([TOP / top] if (TOP / top).is_file() else (TOP / top).rglob("*"))
    if path.is_file()
    and (path.suffix in SUFFIXES or path.name in {"Makefile", "set-up"})
    and "__pycache__" not in path.parts
    and not str(path.relative_to(TOP)).startswith(APART)
)  # fmt: skip
WORDS = re.compile(
    "|".join(f"(?P<w{number}>{pattern})" for number, pattern in enumerate(INSTEAD)), re.IGNORECASE
)


@pytest.mark.parametrize("top", sorted({path.relative_to(TOP).parts[0] for path in FILES}))
def test_no_word_of_the_private_dialect_is_left(top: str) -> None:
    found = [
        f"{path.relative_to(TOP)}:{number}: {match[0]!r}; write {[*INSTEAD.values()][int(match.lastgroup[1:])]}"
        for path in FILES
        if path.relative_to(TOP).parts[0] == top
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in WORDS.finditer(line)
        if match.lastgroup
    ]
    assert not found


def test_the_patterns_recognise_what_they_are_for() -> None:
    for text in (
        "it was told anew",
        "is no run directory",
        "put back",
        "beside the journal",
        "a lone notebook",
    ):
        assert WORDS.search(text), text
    for text in ("it is no longer there", "besides", "a standalone notebook", "the last word"):
        assert not WORDS.search(text), text
