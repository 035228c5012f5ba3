"""The documentation site: every page has a place, the generated pages are complete, and the built pages are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from docs.site.accessibility import complete
from docs.site.check_built import problems
from docs.site.command_pages import commands_page
from docs.site.markdown import table
from docs.site.navigation import REPOSITORY_PAGES, SECTIONS
from docs.site.runbook_pages import runbooks_page
from runbook_lib.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
GENERATED = {"docs/decisions/index", "notebooks/index"}


def test_every_page_is_in_one_section() -> None:
    listed = [page for pages in SECTIONS.values() for page in pages]
    assert len(listed) == len(set(listed))
    written = {f"docs/{path.stem}" for path in (TOP / "docs").glob("*.md")} | set(REPOSITORY_PAGES)
    assert {page for page in listed if not page.startswith("reference/")} - GENERATED == written


def verbs(command: click.Command, context: click.Context) -> Iterator[str]:
    yield context.command_path
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from verbs(below, click.Context(below, parent=context, info_name=name))


def test_the_page_of_commands_has_every_verb_with_its_options() -> None:
    page = commands_page()
    expected = set(verbs(cli, click.Context(cli, info_name="runbook", **cli.context_settings)))
    assert {"runbook audit verify", "runbook lab up"} <= expected
    assert set(re.findall(r"^#+ `(.+)`$", page, re.MULTILINE)) == expected
    assert "| `--resume RUN` |" in page
    assert "| `-h, --help` | Show this message and exit. |" in page


def test_the_page_of_runbooks_has_parameters_from_the_notebooks() -> None:
    page = runbooks_page([TOP / "notebooks" / "20_docker_install.ipynb"])
    assert "## `20_docker_install`" in page
    assert "| `registry_mirrors` | `list[str]`" in page
    assert "needs: `00_preflight`" in page
    assert page.count("`run_timeout`") == 1  # of every runbook: in the last table only


def test_a_cell_of_a_table_is_one_line_with_code_and_plain_text() -> None:
    rows = list(table(("a", "b"), [("`x | y`", "one\n*two* <b> [c] `d*`")]))
    assert rows == ["| a | b |", "|---|---|", r"| `x \| y` | one \*two\* \<b\> \[c\] `d*` |"]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="other.html#there">x</a><a href="#here">y</a><b id="here"></b>', ""),
        ('<a href="missing.html">x</a>', "broken link: missing.html"),
        ('<a href="other.html#nowhere">x</a>', "broken link: other.html#nowhere"),
        ('<a href="#nowhere">x</a>', "broken link: #nowhere"),
        ('<a href="https://example.com/page">x</a>', ""),
        ('<script src="https://example.com/x.js"></script>', "loads https://example.com/x.js"),
        ('<script src="x.js"></script><img src="data:image/png;base64,AA==">', ""),
        ('<link rel="stylesheet" href="//example.com/x.css">', "loads //example.com/x.css"),
        ('<link rel="canonical" href="https://example.com/">', ""),
        ('<style>@import "https://example.com/x.css";</style>', "loads a file of another machine"),
        ('<p style="background: url(https://example.com/x.png)">', "loads a file of another machine"),
    ],
)
def test_broken_links_and_requests_to_other_machines_are_found(tmp_path: Path, page: str, found: str) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="there">', encoding="utf-8")
    assert problems(tmp_path) == ([f"index.html: {found}"] if found else [])


def test_what_the_theme_leaves_out_for_the_keyboard_is_added(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    page = tmp_path / "deep" / "page.html"
    page.write_text('<p class="caption" role="heading">x</p><pre>y</pre>', encoding="utf-8")
    complete(tmp_path)
    expected = '<p class="caption" role="heading" aria-level="2">x</p><pre tabindex="0">y</pre>'
    assert page.read_text(encoding="utf-8") == expected


def test_style_sheets_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_text(
        "@font-face { src: url('https://example.com/x.woff2') }", encoding="utf-8"
    )
    assert problems(tmp_path) == ["x.css: loads a file of another machine"]
