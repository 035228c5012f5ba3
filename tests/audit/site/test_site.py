"""The site in a real browser: filters, search, keyboard, small screens, and nothing that a host printed runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.site.site import write_site
from runbook_lib.audit.site.templating import file_name
from runbook_lib.errors import InputError
from runbook_lib.evidence.lookup import read_run
from tests.audit.notebooks import as_notebook
from tests.deadlines import wait_until
from tests.report import practice
from tests.report.accessibility import WIDTHS, violations

if TYPE_CHECKING:
    from tests.report.browser import Page

ROWS = "[...document.querySelectorAll('#rows tr')]"
COUNTED = "document.getElementById('counted').textContent"


def fill(name: str, value: str) -> str:
    field = f"document.getElementById('{name}')"
    return f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input'))"


@pytest.fixture(scope="module")
def site(evidence: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive with a foreign, a damaged and a hostile file, as a site."""
    top = tmp_path_factory.mktemp("spoiled") / "archive"
    shutil.copytree(evidence, top)
    (top / "half.ipynb").write_text('{"cells": [', encoding="utf-8")
    (top / "master.ipynb").write_text('{"cells": [], "metadata": {}}', encoding="utf-8")
    hostile = as_notebook(read_run(evidence / "loose" / "out.ipynb"))
    text = json.dumps(hostile).replace(
        "10_practice", f"10_practice</script>{practice.EVIL}".replace('"', '\\"')
    )
    (top / "evil'><img src=x>.ipynb").write_text(text.replace("host-a", "host-a/../<b>"), encoding="utf-8")
    archive = Archive(top, cache=tmp_path_factory.mktemp("cache"))
    assert sorted(archive.files["kind"]) == [
        "damaged",
        "foreign",
        "notebook",
        "notebook",
        "run",
        "run",
        "run",
    ]
    out = tmp_path_factory.mktemp("site") / "out"
    write_site(archive, out)
    return out


def test_the_overview_lists_every_file_and_every_link_leads_to_a_page(chromium: Page, site: Path) -> None:
    shown = chromium.show(site / "index.html")
    assert shown.run(f"{ROWS}.length") == 7
    links = shown.run("[...document.querySelectorAll('a[href]')].map(a => decodeURIComponent(a.pathname))")
    assert len(links) > 15
    for path in {*site.rglob("*.html")}:
        page = chromium.show(path)
        links += page.run(
            "[...document.querySelectorAll('a[href]')].map(a => decodeURIComponent(a.pathname))"
        )
        assert page.console == [], path
    missing = [link for link in set(links) if not Path(link).exists()]
    assert missing == []


def test_filters_and_search_narrow_the_list_and_clear_widens_it(chromium: Page, site: Path) -> None:
    shown = chromium.show(site / "index.html")
    shown.run(fill("outcome", "failed"))
    assert shown.run(COUNTED) == "1 of 7 runs"
    shown.run("document.getElementById('clear').click()")
    assert shown.run(COUNTED) == "7 of 7 runs"
    shown.run(fill("mode", "plan"))
    assert shown.run(f"{ROWS}.map(row => row.innerText)")[0].count("plan") >= 1
    assert shown.run(f"{ROWS}.length") == 1
    shown.run("document.getElementById('clear').click()")
    shown.run(fill("text", "cut off"))
    assert shown.run(f"{ROWS}.length") == 1
    shown.run(fill("text", "no such thing"))
    assert shown.run(COUNTED) == "0 of 7 runs"


def test_a_slash_leads_to_the_search_and_a_run_opens_with_the_keyboard(chromium: Page, site: Path) -> None:
    shown = chromium.show(site / "index.html")
    shown.press("/", 191)
    assert shown.run("document.activeElement.id") == "text"
    shown.run("document.querySelector('#rows a').focus()")
    shown.press("Enter", 13)
    wait_until(lambda: "/runs/" in shown.run("location.pathname"), "the run's page")


def test_nothing_that_a_host_printed_runs_and_nothing_is_fetched(chromium: Page, site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        shown = chromium.show(path)
        shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert "owned" not in shown.run("document.title").replace(practice.EVIL, "")
        assert shown.run("document.querySelectorAll('img, iframe, object, main script, main b').length") == 0
        assert [request for request in shown.requests if not request.startswith("file:")] == []
        assert shown.console == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_read_the_pages(*, dark: bool, chromium: Page, site: Path) -> None:
    kinds = {path.parent.relative_to(site): path for path in sorted(site.rglob("*.html"))}  # one of each kind
    for path in (site / "index.html", *kinds.values()):
        for width in WIDTHS:
            shown = chromium.show(path, width=width, dark=dark)
            shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert violations(shown) == [], (path, width)


def test_the_policy_stops_a_script_that_got_in_all_the_same(
    chromium: Page, site: Path, tmp_path: Path
) -> None:
    content = (site / "index.html").read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(
        content.replace("<main", f"{practice.EVIL}<main", 1), encoding="utf-8"
    )
    shown = chromium.show(tmp_path / "index.html")
    assert "owned" not in shown.run("document.title")
    assert any("Content Security Policy" in line for line in shown.console)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(width: int, *, dark: bool, chromium: Page, site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        shown = chromium.show(path, width=width, dark=dark)
        shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert shown.run("document.documentElement.scrollWidth") <= width, path.name
        assert (shown.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)") is dark


def test_a_failed_runs_page_says_what_went_wrong_and_the_comparison_why(
    chromium: Page, site: Path, archive: Archive
) -> None:
    (run,) = archive.query("SELECT run FROM runs WHERE status = 'failed'").column("run").to_pylist()
    shown = chromium.show(site / "runs" / f"{run}.html")
    text = shown.run("document.body.innerText")
    for part in ("Failed", "What went wrong", "host-b", "Evidence:", "Timeline"):
        assert part in text
    compared = chromium.show(site / "runs" / f"{run}.diff.html").run("document.body.innerText")
    assert "fail_on" in compared


def test_pages_that_are_up_to_date_are_kept_and_pages_of_removed_runs_are_removed(
    copied: Path, tmp_path: Path
) -> None:
    first = write_site(Archive(copied, cache=tmp_path / "cache"), tmp_path / "site")
    assert first.kept == 0
    again = write_site(Archive(copied, cache=tmp_path / "cache"), tmp_path / "site")
    assert (again.pages, again.kept) == (1, first.pages - 1)
    shutil.rmtree(copied / "loose")
    write_site(Archive(copied, cache=tmp_path / "cache"), tmp_path / "site")
    assert len(list((tmp_path / "site" / "runs").glob("*_??????.html"))) == 3


def test_runs_need_not_be_verified(copied: Path, tmp_path: Path) -> None:
    for verify in (True, False):
        write_site(Archive(copied, cache=tmp_path / "cache"), tmp_path / "site", verify=verify)
        pages = [
            path.read_text(encoding="utf-8") for path in (tmp_path / "site" / "runs").glob("*_??????.html")
        ]
        assert len(pages) == 4
        assert all(("was not verified for this page" in page) is not verify for page in pages)


def test_a_directory_with_something_else_and_one_in_the_archive_are_refused(
    copied: Path, tmp_path: Path
) -> None:
    archive = Archive(copied, cache=tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    for out in (tmp_path / "mine", copied / "site"):
        with pytest.raises(InputError):
            write_site(archive, out)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".hidden", "x" * 300, "", "a b", "ü"])
def test_a_page_has_a_safe_file_name_whatever_the_evidence_says(name: str) -> None:
    file = file_name(name)
    assert "/" not in file
    assert not file.startswith(".")
    assert 0 < len(file) < 100
    assert file != file_name(f"{name}?")
