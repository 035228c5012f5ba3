"""A user without a home directory that can be written to: no warning after a success, and nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.execution.notebook.ipython_directory import usual_directory_is_usable
from tests.execution.project import OPEN, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project

STEPS = (OPEN, 'book.step("Fine", Does(("true",)))', "book.close()")


@pytest.mark.parametrize("kernels", ["warm", "cold"])
@pytest.mark.parametrize("variable", ["HOME", "IPYTHONDIR"])
def test_a_kernel_has_a_directory_of_its_own(project: Project, variable: str, kernels: str) -> None:
    missing = project.place / "missing" / "directory"
    path = project.notebook(*STEPS)
    command = ("runbook_lib.cli.main", "run", "--kernels", kernels, str(path))
    done = finish(project.start(*command, **{variable: str(missing)}))
    assert done.code == 0, done.output
    assert "not a writable location" not in done.output
    assert [*project.temporary.iterdir()] == []
    assert not missing.parent.exists()


def test_a_directory_that_can_be_made_or_written_to_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert usual_directory_is_usable()
    (tmp_path / ".ipython").mkdir()
    assert usual_directory_is_usable()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "own"))
    assert usual_directory_is_usable()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "one" / "two"))
    assert not usual_directory_is_usable()
    (tmp_path / "file").touch()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "file"))
    assert not usual_directory_is_usable()
