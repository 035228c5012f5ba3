"""git runs no program that a hostile repository names, and fetches nothing for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runbook_lib.audit.verify.approved_source import Approval, approved_notebook
from runbook_lib.audit.verify.findings import Findings
from runbook_lib.git import git_output
from runbook_lib.runbook.source_files import head_commit, is_committed
from tests.audit.project import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one notebook, committed."""
    top = tmp_path / "project"
    (top / "notebooks").mkdir(parents=True)
    (top / "notebooks" / "10_x.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "a notebook")
    return top


@pytest.fixture
def hostile(repository: Path) -> tuple[Path, Path]:
    """The repository as a partial clone whose remote is a program, and the file that the program would make."""
    mark = repository.parent / "program-ran"
    blob = git(repository, "rev-parse", "HEAD:notebooks/10_x.ipynb")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.promisor": "true",
        "remote.evil.url": f"ext::sh -c touch% {mark}",
        "remote.evil.fetch": "+refs/heads/*:refs/remotes/evil/*",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        "core.fsmonitor": f"touch {mark}; false",
        "core.pager": f"touch {mark}",
        "core.sshCommand": f"touch {mark}; false",
    }.items():
        git(repository, "config", name, value)
    return repository, mark


def test_git_itself_runs_the_program_of_such_a_repository(hostile: tuple[Path, Path]) -> None:
    top, mark = hostile
    subprocess.run(
        [
            "git",
            "-C",
            str(top),
            "-c",
            "protocol.allow=never",
            "cat-file",
            "blob",
            "HEAD:./notebooks/10_x.ipynb",
        ],
        capture_output=True,
        check=False,
    )
    assert mark.exists()


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% MARK", "MARK", "ssh://host/MARK", "git://127.0.0.1:1/x", "evil::x"]
)
def test_a_missing_object_is_not_fetched(hostile: tuple[Path, Path], url: str) -> None:
    top, mark = hostile
    git(top, "config", "remote.evil.url", url.replace("MARK", str(mark)))
    git(top, "config", "protocol.evil.allow", "always")
    assert git_output(top, "cat-file", "blob", "HEAD:./notebooks/10_x.ipynb", timeout=30) is None
    assert not mark.exists()


def test_neither_verification_nor_a_run_starts_a_program_of_a_hostile_repository(
    hostile: tuple[Path, Path],
) -> None:
    top, mark = hostile
    commit = head_commit(top)
    assert commit
    findings = Findings()
    start = {"runbook": "10_x", "source": {"commit": commit, "uncommitted": False}}
    assert approved_notebook(start, Approval(repository=top), findings) is None
    (finding,) = findings
    assert "the commit has no such notebook" in finding.message
    assert is_committed(top, commit, str(top / "notebooks" / "10_x.ipynb"))  # compared by its hash alone
    (top / "notebooks" / "notes.txt").write_text("ignored?")
    assert not is_committed(top, commit, str(top / "notebooks" / "10_x.ipynb"))
    assert not mark.exists()


def test_every_call_of_git_in_the_package_goes_through_the_one_that_is_safe() -> None:
    package = Path(__file__).parents[1] / "runbook_lib"
    callers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if '"git"' in path.read_text(encoding="utf-8")
    }
    assert callers == {"git.py"}
