"""A site that is written again: no page is kept that the evidence contradicts, and no other file is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.site.site import WrittenSite, write_site
from runbook_lib.errors import InputError
from tests.audit.altering import Data, edit_notebook

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
EARLIER, LATER = "20261126T004250Z_10_practice_149eea", "20261126T004351Z_10_practice_e8e65a"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[], WrittenSite]:
    for run in (EARLIER, LATER):
        shutil.copytree(RUNS / run, tmp_path / "runs" / run)
    return lambda: write_site(
        Archive(tmp_path / "runs", cache=tmp_path / "cache"), tmp_path / "site", verify=False
    )


def raising(content: Data) -> None:
    """Let the last code cell of an executed notebook end with an error, after the run was closed."""
    content["metadata"]["runbook_execution"] = {"ended": "finished", "problem": ""}
    cells = [one for one in content["cells"] if one["cell_type"] == "code"]
    error = {"output_type": "error", "ename": "ValueError", "evalue": "after the end", "traceback": []}
    cells[-1]["outputs"].append(error)


def test_a_notebook_that_contradicts_its_journal_changes_every_page_of_the_run(
    written: Callable[[], WrittenSite], tmp_path: Path
) -> None:
    written()
    pages = {
        name: tmp_path / "site" / name
        for name in (f"runs/{EARLIER}.html", f"runs/{LATER}.diff.html", "hosts/host-a.html")
    }
    before = {name: page.read_text(encoding="utf-8") for name, page in pages.items()}
    edit_notebook(tmp_path / "runs" / EARLIER, raising)
    written()
    after = {name: page.read_text(encoding="utf-8") for name, page in pages.items()}
    assert [name for name in pages if before[name] == after[name]] == []
    assert "failed" in after[f"runs/{EARLIER}.html"]
    again = written()
    assert again.pages == 1


def test_the_comparison_follows_the_code_of_the_notebook(
    written: Callable[[], WrittenSite], tmp_path: Path
) -> None:
    written()
    page = tmp_path / "site" / "runs" / f"{LATER}.diff.html"

    def other_code(content: Data) -> None:
        next(one for one in content["cells"] if one["cell_type"] == "code")["source"] = "quite_other = 1"

    edit_notebook(tmp_path / "runs" / LATER, other_code)
    written()
    assert "quite_other" in page.read_text(encoding="utf-8")
    (tmp_path / "runs" / LATER / "notebook.ipynb").unlink()
    written()
    assert "not compared: B has no notebook that can be read" in page.read_text(encoding="utf-8")


def test_only_pages_of_the_site_are_removed(written: Callable[[], WrittenSite], tmp_path: Path) -> None:
    written()
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "site" / "runs" / "letters.html").mkdir()
    (tmp_path / "site" / "runs" / "old.diff.html").write_text("old", encoding="utf-8")
    index = tmp_path / "site" / "site.json"
    content = json.loads(index.read_bytes())
    absolute = str(tmp_path / "precious.txt")
    for name in ("../precious.txt", absolute, "runs", "", "runs/../../precious.txt", "runs/letters.html"):
        content["pages"][name] = "x"
    content["pages"]["runs/old.diff.html"] = "x"
    index.write_text(json.dumps(content), encoding="utf-8")
    shutil.rmtree(tmp_path / "runs" / LATER)
    written()
    assert (tmp_path / "precious.txt").exists()
    assert (tmp_path / "site" / "runs" / "letters.html").is_dir()
    assert not (tmp_path / "site" / "runs" / "old.diff.html").exists()
    assert not (tmp_path / "site" / "runs" / f"{LATER}.html").exists()


OTHERS: dict[str, Any] = {
    "a mapping": {"../../precious.txt": "x"},
    "a list": ["x"],
    "another version": {"format": "runbook audit html", "version": 0, "pages": {}},
    "another program": {"format": "x", "version": 1, "pages": {}},
    "keys that are numbers": {"format": "runbook audit html", "version": 1, "pages": {"index.html": 1}},
    "no pages": {"format": "runbook audit html", "version": 1},
}


@pytest.mark.parametrize("name", [*OTHERS, "not JSON", "a directory"])
def test_a_site_json_of_something_else_is_refused_and_left_as_it_is(
    name: str, written: Callable[[], WrittenSite], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    if name == "a directory":
        (site / "site.json").mkdir()
    else:
        text = json.dumps(OTHERS[name]) if name in OTHERS else "{"
        (site / "site.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not an earlier site"):
        written()
    assert [file.name for file in site.iterdir()] == ["site.json"]


def test_no_page_is_written_through_a_symbolic_link(
    written: Callable[[], WrittenSite], tmp_path: Path
) -> None:
    written()
    shutil.move(tmp_path / "site" / "runs", tmp_path / "elsewhere")
    (tmp_path / "site" / "runs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="runs is a symbolic link"):
        written()
