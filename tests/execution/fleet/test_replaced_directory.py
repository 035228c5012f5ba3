"""A run directory that a cell turns into a link to another run: that other run is not overwritten."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.fleet.project import Project


def digests(run: Path) -> dict[str, str]:
    files = [path for path in run.rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_link_in_place_of_the_run_directory_lets_nothing_be_overwritten(project: Project) -> None:
    project.write("10_first")
    assert project.run("10_first", "--hosts", "host-a").returncode == 0
    (victim,) = project.runs.glob("2*")
    before = digests(victim)
    project.write(
        "10_first",
        'book.facts("Look", Asleep(p.seconds))',
        "import os",
        f'os.rename(book.directory, "{project.place}/aside")',
        f'os.symlink("{victim}", book.directory)',
    )
    done = project.run("10_first", "--hosts", "host-a")
    assert done.returncode != 0
    assert "the run directory was replaced by a symbolic link" in done.stdout + done.stderr
    assert digests(victim) == before
