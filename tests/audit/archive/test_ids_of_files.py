"""Each file that counts has an id of its own in the tables, whatever its path and whatever id it claims."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.site.site import write_site
from runbook_lib.cli.main import cli
from tests.audit.altering import edit_notebook, forge_journal

if TYPE_CHECKING:
    from tests.audit.altering import Data

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
RUN, OTHER = "20261126T003428Z_00_preflight_8ad084", "20261126T003453Z_30_bridge_br0_e05c41"


def printed(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli, ["audit", *map(str, arguments)], standalone_mode=False)
    assert done.exception is None
    assert not done.return_value
    return done.output


@pytest.mark.parametrize("damage", ["no journal", "a damaged journal"])
@pytest.mark.parametrize("sound", ["notebook", "backup"])
def test_a_damaged_run_directory_and_a_sound_record_of_its_run_are_two_rows(
    damage: str, sound: str, tmp_path: Path
) -> None:
    top = tmp_path / "runs"
    shutil.copytree(RUNS / RUN, top / RUN)
    if sound == "notebook":
        shutil.copy(top / RUN / "notebook.ipynb", top / "kept.ipynb")
    else:
        shutil.copytree(RUNS / RUN, top / "z" / RUN)
    if damage == "no journal":
        (top / RUN / "journal.jsonl").unlink()
    else:
        (top / RUN / "journal.jsonl").write_bytes(b"nothing\n")
    cache = ("--cache", tmp_path / "cache")
    listed = printed("list", top, *cache, "--format", "csv").splitlines()
    (found,) = (line for line in listed if f",{RUN}," in line)
    assert not found.startswith(("damaged", "unknown"))
    assert sum(line.startswith("damaged,") for line in listed) == 1
    assert len(listed) == 3  # with the heading
    assert f"{'kept.ipynb' if sound == 'notebook' else f'z/{RUN}'}" in printed("show", RUN, top, *cache)
    assert "damaged" in printed("show", f"{RUN}/journal.jsonl", top, *cache)
    archive = Archive(top, cache=tmp_path / "cache")
    assert archive.runs["run"].is_unique
    write_site(archive, tmp_path / "site")
    assert len([*(tmp_path / "site" / "runs").glob("*.html")]) >= len(archive.runs)


@pytest.mark.parametrize("claimed", ["foreign.ipynb", f"{RUN}/journal.jsonl"])
def test_a_run_that_claims_the_path_of_another_file_as_its_id_is_damaged(
    claimed: str, tmp_path: Path
) -> None:
    top = tmp_path / "runs"
    for name in (RUN, OTHER):
        shutil.copytree(RUNS / name, top / name)
    (top / "foreign.ipynb").write_text('{"cells": [], "metadata": {}}', encoding="utf-8")
    (top / RUN / "journal.jsonl").write_bytes(b"nothing\n")
    shutil.copy(top / OTHER / "notebook.ipynb", top / "standalone.ipynb")

    def claim(entries: list[Data]) -> None:
        entries[0]["run"] = claimed

    def claim_in_outputs(content: Data) -> None:
        for cell in content["cells"]:
            for output in cell.get("outputs", ()):
                for data in output.get("data", {}).values():
                    if isinstance(data, dict) and "run" in data:
                        data["run"] = claimed

    forge_journal(top / OTHER, claim)
    edit_notebook(top / "standalone.ipynb", claim_in_outputs)
    archive = Archive(top, cache=tmp_path / "cache")
    assert archive.runs["run"].is_unique
    kinds = dict(zip(archive.files["path"], archive.files["kind"], strict=True))
    assert kinds == {
        RUN: "damaged",
        OTHER: "damaged",
        "foreign.ipynb": "foreign",
        "standalone.ipynb": "damaged",
    }
    assert "has an id that is the path of a file" in str(archive.files["problem"].to_list())
