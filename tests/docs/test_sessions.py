"""What the documentation shows at a prompt is what the program does: each page is typed and compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import RUN, Block, blocks
from tests.docs.sessions import Server, Session, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
PAGES = [
    page
    for page in sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
    if any(block.marked(RUN) for block in blocks(page))
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_does_what_the_page_says(page: Path, tmp_path: Path, server: Server) -> None:
    with Session(tmp_path, server) as session:
        for block in blocks(page):
            session.prepare(block)
            if block.marked(RUN):
                follow(session, block, page.name)


def follow(session: Session, block: Block, page: str) -> None:
    """Type the commands of a block; after a prompt the output must be that of the page, else each must succeed."""
    if not any(line.startswith("$ ") for line in block.text.splitlines()):
        for command in block.commands:
            output, code = session.type(command)
            expected = int((re.findall(r"#.*exit code (\d)", command) or [0])[0])
            assert code == expected, f"{page}, line {block.line}: {command}\n{output}"
        return
    turns = [turn.split("\n", 1) for turn in f"\n{block.text}".split("\n$ ")[1:]]
    for number, (command, *lines) in enumerate(turns):
        output, code = session.type(command)
        said = f"{page}, line {block.line}: {command}\n{output}"
        assert matches("".join(lines), output), said
        shown = "Error: " in output or (number + 1 < len(turns) and turns[number + 1][0] == "echo $?")
        assert code == 0 or shown, f"{said}exit code {code}"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a …\n…\nend", "a 0.3 s\n1\n2\nend\n", True),
        ("…\nend", "end\n", True),
        ("a", "b\n", False),
        ("a", "a\nb\n", False),
        ("", "", True),
        ("", "unexpected\n", False),
        ("…", "", True),
        ("a…c", "abbc", True),
    ],
)
def test_an_output_is_compared_with_what_the_page_shows(expected: str, printed: str, same: bool) -> None:  # noqa: FBT001 - a case
    assert matches(expected, printed) is same
