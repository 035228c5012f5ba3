"""The command that replaces a file, run by a real shell."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.operations import files

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "first line\nsecond line\n"


def replace(path: Path, arrived: str) -> subprocess.CompletedProcess[str]:
    command = files.write(str(path), TEXT, mode="0640")
    assert command.stdin == TEXT
    return subprocess.run(command.argv, input=arrived, capture_output=True, text=True, check=False)


def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_text("former", encoding="utf-8")
    done = replace(path, TEXT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.read_text(encoding="utf-8") == TEXT
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("arrived", ["", TEXT[:12], TEXT[:-1], TEXT.upper()])
def test_contents_that_arrived_incomplete_leave_the_former_file(tmp_path: Path, arrived: str) -> None:
    """As where a connection breaks: the shell on the host sees the end of its input, and runs on."""
    path = tmp_path / "file"
    path.write_text("former", encoding="utf-8")
    done = replace(path, arrived)
    assert done.returncode == 1
    assert done.stderr == f"the contents of {path} arrived incomplete\n"
    assert path.read_text(encoding="utf-8") == "former"
    assert list(tmp_path.iterdir()) == [path]
