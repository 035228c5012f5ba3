"""Of several records of one run the right one counts, at once, and one that replaces other evidence is a finding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.rules.policy import Policy, scan

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
FIRST, LATER = "20261126T003428Z_00_preflight_8ad084", "20261126T003453Z_30_bridge_br0_e05c41"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """An archive with two runs."""
    for name in (FIRST, LATER):
        shutil.copytree(RUNS / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


def opened(top: Path) -> Archive:
    return Archive(top, cache=top.parent / "cache")


def kinds(archive: Archive) -> dict[str, str]:
    return dict(zip(archive.files["path"], archive.files["kind"], strict=True))


def findings(top: Path, tmp_path: Path) -> list[str]:
    policy = tmp_path / "policy.yml"
    policy.write_text("rules: {unsigned-apply: {level: note}}\n", encoding="utf-8")
    found = scan(opened(top), Policy.load(policy)).findings
    return [one.message for one in found if one.rule == "evidence-not-readable"]


def replace(run: Path, by: Path) -> None:
    shutil.rmtree(run)
    shutil.copytree(by, run)


@pytest.mark.parametrize(("lost", "kept"), [(FIRST, LATER), (LATER, FIRST)])
def test_evidence_replaced_by_that_of_another_run_is_a_finding_and_the_other_run_stays_what_it_is(
    lost: str, kept: str, top: Path, tmp_path: Path
) -> None:
    status = dict(opened(top).runs[["run", "status"]].to_numpy())[kept]
    assert findings(top, tmp_path) == []
    replace(top / lost, top / kept)
    archive = opened(top)
    assert kinds(archive) == {lost: "copy", kept: "run"}
    assert dict(archive.runs[["run", "status"]].to_numpy()) == {kept: status}
    (message,) = findings(top, tmp_path)
    assert f"{lost}: in the directory of another run" in message
    (top / lost).rename(top / "a")  # not the name of a run: an equal copy, kept under a name of its own
    assert findings(top, tmp_path) == []
    shutil.rmtree(top / kept)
    (message,) = findings(top, tmp_path)
    assert "the directory has another run's name" in message


def test_two_records_of_one_run_that_differ_are_a_finding(top: Path, tmp_path: Path) -> None:
    shutil.copytree(top / FIRST, top / "backup" / FIRST)
    assert findings(top, tmp_path) == []
    journal = top / "backup" / FIRST / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
    (message,) = findings(top, tmp_path)
    assert f"backup/{FIRST}: another record of this run, with other content" in message


@pytest.mark.parametrize("content", [b"no notebook", b"[" * 100_000])
def test_a_notebook_that_cannot_be_read_is_a_finding(content: bytes, top: Path, tmp_path: Path) -> None:
    (top / FIRST / "notebook.ipynb").write_bytes(content)
    (message,) = findings(top, tmp_path)
    assert "no rule could examine all of this evidence: notebook.ipynb cannot be read" in message


@pytest.mark.parametrize("damage", ["overwritten", "removed", "replaced"])
def test_a_copy_counts_as_soon_as_the_record_that_counted_does_not(damage: str, top: Path) -> None:
    shutil.copytree(top / FIRST, top / "z" / FIRST)
    assert kinds(opened(top)) == {FIRST: "run", LATER: "run", f"z/{FIRST}": "copy"}
    if damage == "overwritten":
        (top / FIRST / "journal.jsonl").write_bytes(b"nothing\n")
    elif damage == "removed":
        shutil.rmtree(top / FIRST)
    else:
        replace(top / FIRST, top / LATER)
    archive = opened(top)
    assert kinds(archive)[f"z/{FIRST}"] == "run"
    assert list(archive.runs["run"]).count(FIRST) == 1
    assert FIRST in set(archive.steps["run"])


def test_rows_of_a_file_that_is_not_in_the_index_are_removed_when_it_is_read_again(top: Path) -> None:
    cache = opened(top).cache
    index = cache.load()
    del index.entries[FIRST]  # as a Ctrl-C between two files of a batch leaves it
    cache.save(index)
    archive = opened(top)
    assert sorted(archive.runs["run"]) == [FIRST, LATER]
    assert len(archive.steps) == len(Archive(top, cache=top.parent / "fresh").steps)
