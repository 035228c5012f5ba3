"""A number that no run writes damages its own file alone: every command over the archive still answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.lookup import read_run
from tests.audit.altering import edit_notebook, forge_journal

if TYPE_CHECKING:
    from tests.audit.altering import Data

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
RUN, OTHER = "20261126T003428Z_00_preflight_8ad084", "20261126T003453Z_30_bridge_br0_e05c41"
NUMBERS = [float("inf"), float("-inf"), float("nan"), 1e300]


def kinds(top: Path) -> dict[str, str]:
    archive = Archive(top, cache=top.parent / "cache")
    assert archive.runs["run"].is_unique
    return dict(zip(archive.files["path"], archive.files["kind"], strict=True))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_step_of_a_notebook(number: float, tmp_path: Path) -> None:
    top = tmp_path / "runs"
    shutil.copytree(RUNS / RUN, top / RUN)
    shutil.copy(RUNS / OTHER / "notebook.ipynb", top / "odd.ipynb")

    def change(content: Data) -> None:
        text = json.dumps(content["cells"])
        assert STEP_MIME in text
        for cell in content["cells"]:
            for output in cell.get("outputs", ()):
                if step := output.get("data", {}).get(STEP_MIME):
                    step["number"] = number

    edit_notebook(top / "odd.ipynb", change)
    assert kinds(top) == {RUN: "run", "odd.ipynb": "damaged"}
    with pytest.raises(EvidenceError):
        read_run(top / "odd.ipynb")


@pytest.mark.parametrize("field", ["step", "line", "start"])
@pytest.mark.parametrize("number", NUMBERS)
def test_the_place_of_an_exposed_secret(number: float, field: str, tmp_path: Path) -> None:
    top = tmp_path / "runs"
    for name in (RUN, OTHER):
        shutil.copytree(RUNS / name, top / name)
    place = {"file": "journal.jsonl", "step": number if field == "step" else 1, "host": "host-a"}
    sample = {"line": 1, "path": ["run"], "start": 0, "end": 8} | ({} if field == "step" else {field: number})
    event = {"event": "secret_exposed", "reference": "env:X", "places": [place], "samples": [sample]}

    def change(entries: list[Data]) -> None:
        entries.insert(-1, {**{name: entries[-1][name] for name in ("time", "seal")}, **event})

    forge_journal(top / OTHER, change)
    assert kinds(top)[RUN] == "run"
    assert ExposedSecrets.of_run(top / OTHER) is not None
    try:
        read_run(top / OTHER)
    except EvidenceError:
        assert kinds(top)[OTHER] == "damaged"
    else:
        assert kinds(top)[OTHER] == "run"
