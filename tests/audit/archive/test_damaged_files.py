"""What is damaged, foreign or out of place in an archive: a row each, and the rest is read."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.audit.archive.batch_reader import read_batch
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.judgement import EXECUTION
from runbook_lib.evidence.lookup import read_run
from tests.audit.archive.rows import of, some_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive


DAMAGE: dict[str, bytes] = {
    "empty": b"",
    "invalid UTF-8": b"\xff\xfe\x00 no text",
    "nested deeply": b"[" * 100_000 + b"]" * 100_000,
    "a list": b"[1, 2]",
    "half a notebook": b'{"cells": [{"cell_type": "code", "outputs": [',
    "no cells": b'{"cells": 7, "metadata": {}}',
    "outputs of another kind": b'{"cells": [{"outputs": [{"data": "x"}]}], "metadata": {}}',
}


@pytest.mark.parametrize("cut", [1, 40, 3000])
def test_a_journal_cut_off_is_a_row_that_is_unknown(
    cut: int, copied: Path, opened: Callable[[Path], Archive]
) -> None:
    run = some_run(copied)
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    archive = opened(copied)
    (row,) = archive.runs[archive.runs["run"] == run.name].to_dict("records")
    assert row["status"] == "unknown"
    assert "cut off" in row["incomplete"]
    assert "cut off" in of(archive, f"runs/{run.name}")["problem"]


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("what", ["notebook", "journal"])
def test_a_damaged_file_is_a_row_and_the_others_are_read(
    what: str, name: str, copied: Path, opened: Callable[[Path], Archive]
) -> None:
    if what == "notebook":
        (copied / "bad.ipynb").write_bytes(DAMAGE[name])
    else:
        (copied / "bad.ipynb").mkdir()
        (copied / "bad.ipynb" / "journal.jsonl").write_bytes(DAMAGE[name])
    archive = opened(copied)
    file = of(archive, "bad.ipynb")
    assert file["kind"] == "damaged"
    assert file["problem"]
    name = "bad.ipynb" if what == "notebook" else "bad.ipynb/journal.jsonl"
    (row,) = archive.runs[archive.runs["run"] == name].to_dict("records")
    assert (row["status"], row["incomplete"]) == ("unknown", file["problem"])
    assert len(archive.runs) == 5


def test_a_value_of_a_wrong_type_damages_its_own_file_alone(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    notebook = json.loads((copied / "loose" / "out.ipynb").read_text(encoding="utf-8"))
    step = notebook["cells"][1]["outputs"][0]["data"]["application/vnd.runbook.step.v1+json"]
    step["hosts"][0]["message"] = {"no": "text"}
    (copied / "loose" / "out.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    archive = opened(copied)
    assert of(archive, "loose/out.ipynb")["kind"] == "damaged"
    assert list(archive.files["kind"]).count("run") == 3


def test_a_notebook_of_others_is_foreign_and_what_papermill_says_is_not_believed(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": []}
    times = {"start_time": "2026-11-01T10:00:00+00:00", "end_time": "2026-11-01T10:00:05+00:00"}
    papermill = {
        "exception": None,
        "input_path": "etl.ipynb",
        "parameters": {"day": 1},
        "version": "2.7.0",
        **times,
    }
    notebook = {"cells": [cell], "metadata": {"papermill": papermill}, "nbformat": 4, "nbformat_minor": 5}
    (copied / "etl-out.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    archive = opened(copied)
    assert of(archive, "etl-out.ipynb")["kind"] == "foreign"
    (row,) = archive.runs[archive.runs["run"] == "etl-out.ipynb"].to_dict("records")
    assert (row["runbook"], row["status"], row["duration"]) == ("etl", "unknown", 5.0)
    assert "proves nothing" in row["incomplete"]
    assert json.loads(row["parameters"]) == {"day": 1}


def test_links_are_not_followed_and_those_out_of_the_archive_are_listed(
    copied: Path, tmp_path: Path, opened: Callable[[Path], Archive]
) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(some_run(copied), outside / "20260101T000000Z_elsewhere_abcdef")
    (copied / "out").symlink_to(outside)
    (copied / "loop").symlink_to(copied)
    (copied / "linked.ipynb").symlink_to("/etc/passwd")
    (copied / "run").mkdir()
    (copied / "run" / "journal.jsonl").symlink_to(
        outside / "20260101T000000Z_elsewhere_abcdef" / "journal.jsonl"
    )
    os.mkfifo(copied / "pipe.ipynb")
    archive = opened(copied)
    assert "out of the archive" in of(archive, "out")["problem"]
    assert "out of the archive" in of(archive, "linked.ipynb")["problem"]
    assert "symbolic link" in of(archive, "run")["problem"]
    assert "not a regular file" in of(archive, "pipe.ipynb")["problem"]
    assert len(archive.files) == 4 + 4


def test_a_run_directory_without_a_journal_is_listed(copied: Path) -> None:
    place = LocalLocation(copied)
    (copied / "20260101T000000Z_begun_abcdef").mkdir()
    found = {item.path: item for item in place.walk()}
    assert "journal" in found["20260101T000000Z_begun_abcdef"].problem


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), journal=st.booleans())
def test_whatever_bytes_are_flipped_a_row_is_left_and_it_says_what_the_careful_readers_say(
    *, data: st.DataObject, journal: bool, evidence: Path, tmp_path: Path
) -> None:
    source = some_run(evidence) / "journal.jsonl" if journal else evidence / "loose" / "out.ipynb"
    content = bytearray(source.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3, unique=True))
    for place in places:
        content[place] ^= data.draw(st.integers(1, 255))
    file = tmp_path / some_run(evidence).name / ("journal.jsonl" if journal else "out.ipynb")
    file.parent.mkdir(exist_ok=True)
    for old in file.parent.iterdir():
        old.unlink()
    file.write_bytes(content)
    place_ = LocalLocation(file.parent)
    (found,) = place_.walk()
    batch = read_batch(place_, [(1, found)])
    (result,) = batch.results
    (row,) = batch.tables["runs"].to_pylist()
    try:
        careful = read_run(file)
    except EvidenceError:
        assert result.kind in {"damaged", "foreign"}
        assert result.problem
        assert row["status"] == "unknown"
    else:
        assert (result.run, result.problem, row["status"]) == (
            careful.run,
            careful.incomplete,
            careful.status,
        )
    if journal:
        assert result.problem


def test_the_archive_believes_a_run_no_more_than_the_judge_does(
    copied: Path, opened: Callable[[Path], Archive]
) -> None:
    before = opened(copied).runs.set_index("run")["status"]
    run = next(path for path in sorted((copied / "runs").iterdir()) if before[path.name] in {"ok", "changed"})
    error = {
        "output_type": "error",
        "ename": "ZeroDivisionError",
        "evalue": "division by zero",
        "traceback": [],
    }
    cell = {
        "cell_type": "code",
        "source": "1 / 0",
        "execution_count": 1,
        "metadata": {},
        "outputs": [error],
    }
    notebook = {
        "cells": [cell],
        "metadata": {EXECUTION: {"ended": "failed", "problem": ""}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (run / "notebook.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    after = opened(copied).runs.set_index("run")["status"]
    assert after[run.name] == read_run(run).status == "failed"
