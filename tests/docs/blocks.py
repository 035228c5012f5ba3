"""Code blocks of a page in Markdown, each with the comments in front of it that say how it is tested.

In front of a block with shell commands stands one of these:

    <!-- run -->                  executed by `test_sessions.py`, in the page's session, and its output compared
    <!-- run in lab -->           executed by `test_lab_session.py`, on practice hosts
    <!-- run by: tests/x.py -->   executed by this test, in another page's session, or by `make`
    <!-- not run: REASON -->      needs what no test has, such as hosts of one's own; only its options are checked

A session starts in an empty folder, for each page. What else it may need stands in front of any block:

    <!-- prepare: COMMAND -->     a command that readers have typed before
    <!-- file: PATH -->           the block is the content of this file
    <!-- cell: NOTEBOOK -->       the block is a cell of this notebook, in front of its last one
    <!-- where: NAME=VALUE -->    what stands for this word in commands from here on, as the shell expands it
    <!-- package: NAME ENTRY=VALUE GROUP -->   the block is the module of an installed package with this entry point
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RUN", "RUN_IN_LAB", "Block", "blocks"]

RUN, RUN_IN_LAB = "run", "run in lab"
_COMMENT = re.compile(
    r"\s*<!-- (run|run in lab|run by|not run|prepare|file|cell|package|where)(?:: (.*?))? -->\s*"
)
_FENCE = re.compile(r"(\s*)```+\s*(\{?[\w-]*\}?).*")
_PROGRAMS = (
    "runbook|make|pip|pytest|papermill|python3?|git|export|ssh|ssh-keyscan|ssh-keygen|cp|docker|tools/set-up|jupyter|"
    "pre-commit|rsync|socat|ipython|uv|cat|apt-get|sudo"
)
_COMMAND = re.compile(rf"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:{_PROGRAMS})(?: (?!=)(?!.*──)|$)")
_SHELL = frozenset({"console", "sh", "bash", "shell"})


@dataclass
class Block:
    """One block of code.

    Args:
        line: Its first line in the page, from 1.
        language: What the fence says; empty if it says nothing, or the block is indented.
        text: Without its indentation.
        marks: The comments in front of it: what to do, and with what.
    """

    line: int
    language: str
    text: str
    marks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_shell(self) -> bool:
        """Whether it shows commands for a shell."""
        if self.language:
            return self.language in _SHELL
        return any(_COMMAND.match(line) for line in self.text.splitlines())

    @property
    def commands(self) -> list[str]:
        """The commands, without prompts; lines that are continued are joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return prompted or [line for line in lines if _COMMAND.match(line)]

    def marked(self, *kinds: str) -> list[str]:
        """The texts of its comments of these kinds."""
        return [text for kind, text in self.marks if kind in kinds]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    marks: list[tuple[str, str]] = []
    number, paragraph = 0, False
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.fullmatch(line)
        comment = _COMMENT.fullmatch(line)
        if comment:
            marks.append((comment[1], comment[2] or ""))
            number, paragraph = number + 1, False
        elif fence:
            end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == "```")
            yield Block(number + 2, fence[2], textwrap.dedent("\n".join(lines[number + 1 : end])), marks)
            number, marks, paragraph = end + 1, [], False
        elif line.startswith("    ") and not paragraph:
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block(number + 1, "", textwrap.dedent("\n".join(lines[number:end])).rstrip(), marks)
            number, marks = end, []
        else:
            if line.strip():
                marks = []
            number, paragraph = number + 1, bool(line.strip())
