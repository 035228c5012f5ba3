"""What a hostile host prints reaches pytest's terminal as text only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hostile_text import EVERYTHING, assert_harmless

if TYPE_CHECKING:
    from tests.pytest_plugin.practice import Project

pytest_plugins = ["pytester"]


def test_what_a_hostile_host_prints_is_no_command_to_the_terminal_or_to_ci(project: Project) -> None:
    (project.place / "evil.txt").write_text(EVERYTHING.replace("\ud800", ""), encoding="utf-8")
    project.runbook(
        "90_look",
        "import os\nos.system('cat evil.txt; cat evil.txt >&2')",
        "text = open('evil.txt', encoding='utf-8').read()",
        "book.step(text, Does(('sh', '-c', 'cat evil.txt; cat evil.txt >&2; exit 3')))",
    )
    result = project.run("--runbooks", "notebooks/90_look.ipynb", "--runbook-mode", "apply", "-vv")
    assert result.parseoutcomes()["failed"] >= 2
    assert "␛]0;owned␇" in result.stdout.str()
    for lines in (result.outlines, result.errlines):
        assert_harmless("\n".join(lines).encode())
