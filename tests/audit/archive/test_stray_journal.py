"""A journal at a wrong place, or a run moved into another one, hides no other run."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import pytest

from runbook_lib.audit.archive.archive import Archive

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
ONE, OTHER = "20261126T003428Z_00_preflight_8ad084", "20261126T003431Z_20_docker_install_98985f"
LOOSE = "run_not_archived.ipynb"


def archived(top: Path) -> Path:
    for path in ("2026", "2026/deep"):
        (top / path).mkdir(parents=True, exist_ok=True)
    shutil.copytree(RUNS / ONE, top / "2026" / ONE)
    shutil.copytree(RUNS / OTHER, top / "2026" / "deep" / OTHER)
    (top / "2026" / "deep" / "loose").mkdir()
    shutil.copy(RUNS / "standalone" / LOOSE, top / "2026" / "deep" / "loose" / LOOSE)
    return top


def found(address: Path | str, cache: Path) -> dict[str, str]:
    files = Archive(address, cache=cache).files
    return dict(zip(files["path"], files["kind"], strict=True))


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@pytest.mark.parametrize("content", [b"", b"{}\n", None], ids=["empty", "damaged", "a copy"])
@pytest.mark.parametrize("where", ["", "2026", "2026/deep"])
def test_a_stray_journal_hides_no_run(
    where: str, content: bytes | None, *, remote: bool, tmp_path: Path
) -> None:
    top = archived(tmp_path / "runs")
    before = found(top, tmp_path / "before")
    assert sorted(before.values()) == ["notebook", "run", "run"]
    stray = (RUNS / ONE / "journal.jsonl").read_bytes() if content is None else content
    (top / where / "journal.jsonl").write_bytes(stray)
    address: Path | str = top
    if remote:
        address = f"memory://{tmp_path.name}-{where.replace('/', '-')}-{len(stray)}"
        files = fsspec.filesystem("memory")
        for file in top.rglob("*"):
            if file.is_file():
                files.pipe_file(f"{address}/{file.relative_to(top)}", file.read_bytes())
    after = found(address, tmp_path / "after")
    stray_path = where or "."
    assert set(after) == {*before, stray_path}
    kinds = sorted(after.values())
    assert kinds == (
        ["copy", "notebook", "run", "run"] if content is None else ["damaged", *sorted(before.values())]
    )


def test_a_run_that_was_moved_into_another_one_is_found(tmp_path: Path) -> None:
    shutil.copytree(RUNS / ONE, tmp_path / "runs" / ONE)
    shutil.copytree(RUNS / OTHER, tmp_path / "runs" / ONE / OTHER)
    assert found(tmp_path / "runs", tmp_path / "cache") == {ONE: "run", f"{ONE}/{OTHER}": "run"}


def test_the_files_of_a_run_belong_to_it(tmp_path: Path) -> None:
    run = Path(shutil.copytree(RUNS / ONE, tmp_path / "runs" / ONE))
    (run / "output").mkdir()
    for name in ("copy.ipynb", "output/printed.ipynb"):
        shutil.copy(RUNS / "standalone" / LOOSE, run / name)
    assert found(tmp_path / "runs", tmp_path / "cache") == {ONE: "run"}
    assert found(run, tmp_path / "cache") == {".": "run"}
