"""Every reader of evidence refuses what is not a regular file: a pipe is not waited for, a link not followed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.run_diff import source_cells
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.lookup import find_run, read_run
from runbook_lib.evidence.regular_file import digest, read
from runbook_lib.evidence.seal_contents import seal_problem

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(20)
RUNS = Path(__file__).parent / "old_archive" / "runs"
RUN, LATER = "20261126T003428Z_00_preflight_8ad084", "20261126T003453Z_30_bridge_br0_e05c41"


def as_link(file: Path) -> None:
    outside = file.parent.parent / f"outside-{file.name}"
    shutil.move(file, outside)
    file.symlink_to(outside)


def as_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def as_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


ODD = [as_link, as_pipe, as_directory]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUNS / RUN, tmp_path / RUN))


@pytest.mark.parametrize("change", ODD)
def test_a_notebook_that_is_no_regular_file_is_not_read(change: Callable[[Path], None], run: Path) -> None:
    change(run / "notebook.ipynb")
    record = read_run(run)
    assert record.status == "unknown"
    assert "notebook.ipynb cannot be read" in record.message
    assert source_cells(run) is None
    with pytest.raises(EvidenceError):
        read_run(run / "notebook.ipynb")


@pytest.mark.parametrize("change", ODD)
def test_a_journal_that_is_no_regular_file_is_not_read(change: Callable[[Path], None], run: Path) -> None:
    data = (run / "journal.jsonl").read_bytes()
    change(run / "journal.jsonl")
    for reader in (read, digest):
        with pytest.raises(EvidenceError):
            reader(run / "journal.jsonl")
    with pytest.raises(EvidenceError):
        read_run(run)
    assert not ExposedSecrets.of_run(run)
    assert isinstance(seal_problem(run, data), str)


@pytest.mark.parametrize("name", ["old", "zzz", "20261126T999999Z"])
def test_the_last_run_is_a_run(name: str, tmp_path: Path) -> None:
    for run in (RUN, LATER):
        shutil.copytree(RUNS / run, tmp_path / run)
    shutil.copytree(RUNS / RUN, tmp_path / name / RUN)
    assert find_run("last", tmp_path) == tmp_path / LATER
    own = tmp_path / f"{name}-own"
    shutil.copytree(RUNS / LATER, own)  # whatever its name
    assert find_run(own.name, tmp_path) == own
