"""A run says that its source is committed only where every file was compared with the commit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runbook_lib.runbook.provenance import source_state
from runbook_lib.runbook.source_files import head_commit, is_committed
from tests.audit.project import git

if TYPE_CHECKING:
    from pathlib import Path

BOOK = "notebooks/10_book.ipynb"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project with a notebook, a module and an ignored file; the current directory."""
    top = tmp_path / "project"
    for name, text in {
        BOOK: "{}",
        "runbook_lib/module.py": "x = 1\n",
        ".gitignore": "*.txt\n",
        "notebooks/notes.txt": "ignored\n",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text, encoding="utf-8")
    git(top, "init", "-q", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "-qm", "All")
    monkeypatch.chdir(top)
    return top


def uncommitted(notebook: Path | str = BOOK) -> bool:
    state = source_state(str(notebook))
    assert len(state["commit"]) in {40, 64}
    return bool(state["uncommitted"])


@pytest.mark.parametrize("notebook", [BOOK, "./notebooks/../notebooks/10_book.ipynb"])
def test_a_clean_tree_is_committed(top: Path, notebook: str) -> None:
    assert not uncommitted(notebook)
    assert not uncommitted(top / notebook)
    (top / "notebooks" / "__pycache__").mkdir()
    (top / "notebooks" / "__pycache__" / "module.cpython-312.pyc").touch()
    assert not uncommitted(notebook)


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_the_index_is_told_to_believe_is_compared_all_the_same(top: Path, mark: str) -> None:
    git(top, "update-index", mark, "runbook_lib/module.py")
    (top / "runbook_lib" / "module.py").write_text("x = 2\n")
    assert git(top, "status", "--porcelain") == ""
    assert uncommitted()


def test_an_untracked_file_counts_whatever_git_is_configured_to_show(top: Path) -> None:
    git(top, "config", "status.showUntrackedFiles", "no")
    (top / "runbook_lib" / "more").write_text("not ignored")
    assert git(top, "status", "--porcelain") == ""
    assert uncommitted()


@pytest.mark.parametrize("name", ["runbook_lib/yaml.py", "notebooks/20_other.ipynb", "notebooks/json.so"])
def test_ignored_code_counts(top: Path, name: str) -> None:
    (top / ".git" / "info" / "exclude").write_text("yaml.py\n20_other.ipynb\n*.so\n")
    (top / name).touch()
    assert git(top, "status", "--porcelain") == ""
    assert uncommitted()


def test_a_staged_change_and_a_removed_file_count(top: Path) -> None:
    (top / "runbook_lib" / "module.py").write_text("x = 3\n")
    git(top, "add", ".")
    assert uncommitted()
    git(top, "reset", "-q", "--hard")
    assert not uncommitted()
    (top / "runbook_lib" / "module.py").unlink()
    assert uncommitted()


def test_a_file_replaced_by_a_link_to_the_same_text_counts(top: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("x = 1\n")
    (top / "runbook_lib" / "module.py").unlink()
    (top / "runbook_lib" / "module.py").symlink_to(tmp_path / "elsewhere.py")
    assert uncommitted()


def test_a_filter_that_hides_a_change_from_git_hides_nothing(top: Path) -> None:
    git(top, "config", "filter.hide.clean", "git show HEAD:runbook_lib/module.py")
    (top / ".git" / "info" / "attributes").write_text("*.py filter=hide\n")
    (top / "runbook_lib" / "module.py").write_text("x = 4\n")
    assert uncommitted()


def test_a_notebook_outside_the_project_or_not_known_counts(top: Path, tmp_path: Path) -> None:
    copy = tmp_path / "10_book.ipynb"
    copy.write_bytes((top / BOOK).read_bytes())
    assert uncommitted(copy)
    assert uncommitted("")
    (top / "notebooks" / "link.ipynb").symlink_to(copy)
    assert uncommitted("notebooks/link.ipynb")


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60"])
def test_git_that_fails_or_is_slow_is_not_taken_for_a_clean_tree(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    commit = head_commit(top)
    assert commit
    assert is_committed(top, commit, BOOK)
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = f'#!/bin/sh\ncase "$*" in *ls-tree*|*status*) {script};; esac\nexec /usr/bin/git "$@"\n'
    (tools / "git").write_text(fake)
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    if script == "exit 1":
        assert uncommitted()
    else:
        monkeypatch.setattr("runbook_lib.runbook.source_files._TIMEOUT", 0.5)
        assert not is_committed(top, commit, BOOK)


def test_outside_git_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_state(BOOK) == {}


def test_a_cell_of_injected_parameters_that_is_not_in_the_commit_counts(top: Path) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "print(mode)", "outputs": []}
    injected = {**cell, "id": "b", "metadata": {"tags": ["injected-parameters"]}, "source": 'mode = "apply"'}
    (top / BOOK).write_text(json.dumps({"cells": [cell], "metadata": {}}))
    git(top, "commit", "-qam", "A notebook")
    (top / BOOK).write_text(json.dumps({"cells": [{**cell, "execution_count": 1}], "metadata": {}}))
    assert not uncommitted()
    (top / BOOK).write_text(json.dumps({"cells": [injected, cell], "metadata": {}}))
    assert uncommitted()
