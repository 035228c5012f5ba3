"""A run directory that a cell replaces, by a link or by another run: that other run is not overwritten."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.fleet.project import Project


def digests(run: Path) -> dict[str, str]:
    files = [path for path in run.rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# What a cell does, with the directory of its own run and that of another one; and what is said about it.
REPLACEMENTS = {
    "link": (
        "own.rename(aside); own.symlink_to(other)",
        "the run directory was replaced by a symbolic link: no notebook, report or seal is written",
    ),
    "moved there": (
        "own.rename(aside); other.rename(own)",
        "the run directory was replaced by something else: no notebook, report or seal is written",
    ),
    "all runs": (
        "own.parent.rename(aside); own.parent.mkdir(); (aside / other.name).rename(own)",
        "the run directory was replaced by something else: no notebook, report or seal is written",
    ),
    "notebook": (
        "(own / 'notebook.ipynb').unlink(); (own / 'notebook.ipynb').symlink_to(other / 'notebook.ipynb')",
        "",
    ),
    "outputs": (
        "(own / 'output').symlink_to(other / 'output')\nprint('many words ' * 50_000)",
        "cannot write the evidence",
    ),
}


@pytest.mark.parametrize("how", REPLACEMENTS)
def test_another_run_is_not_overwritten(how: str, project: Project) -> None:
    code, said = REPLACEMENTS[how]
    project.write("10_first")
    assert project.run("10_first", "--hosts", "host-a").returncode == 0
    (victim,) = project.runs.glob("2*")
    (victim / "output").mkdir(exist_ok=True)
    before = digests(victim)
    project.write(
        "10_first",
        'book.facts("Look", Asleep(p.seconds))',
        f"import os\nfrom pathlib import Path\nown, other = Path(book.directory), Path({str(victim)!r})\n"
        f"aside = Path({str(project.top / 'aside')!r})",
        code,
    )
    done = project.run("10_first", "--hosts", "host-a")
    assert done.returncode != 0 or how == "notebook"
    assert said in done.stdout + done.stderr
    found = next(
        path
        for path in project.top.rglob("journal.jsonl")
        if digests(path.parent).get("journal.jsonl") == before["journal.jsonl"]
    )
    assert digests(found.parent) == before
