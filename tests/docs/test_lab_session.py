"""The commands of the pages about the practice lab, typed against practice hosts of this test's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.lab import Lab
from runbook_lib.lab.system.paths import cache_directory
from runbook_lib.lab.testing import reason_to_skip
from tests.aftermath import AFTERMATH
from tests.docs.blocks import RUN_IN_LAB, blocks
from tests.docs.sessions import Session
from tests.lab_names import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
PAGES = [
    page
    for page in sorted((TOP / "docs").glob("*.md"))
    if any(block.marked(RUN_IN_LAB) for block in blocks(page))
]
NAME = lab_name("docs")
_MISSING = reason_to_skip()
pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.skipif(bool(_MISSING), reason=str(_MISSING))]

# Whatever name the pages give it: labs of others on this machine are not touched.
ANOTHER_NAME = f"""
eval "typed_$(declare -f runbook)"
runbook() {{
    local words=("$@")
    [ "$3" = --name ] && words=("${{@:1:2}}" "${{@:5}}")
    [ "$1" = lab ] && words=(lab "$2" --name {NAME} "${{words[@]:2}}")
    typed_runbook "${{words[@]}}"
}}
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with AFTERMATH.lab(NAME), Session(tmp_path, None) as started:
        try:
            started.type(
                f"export RUNBOOK_CACHE={cache_directory()}"
            )  # a home directory of its own has no root file system
            started.type(ANOTHER_NAME)
            yield started
        finally:
            Lab.open(NAME).down()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_succeeds_on_practice_hosts(page: Path, session: Session) -> None:
    for block in blocks(page):
        session.prepare(block)
        for command in block.commands if block.marked(RUN_IN_LAB) else ():
            output, code = session.type(command)
            assert code == 0, f"{page.name}, line {block.line}: {command}\n{output}"
