"""The command that replaces a file, run by a real shell."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.file import FileInfo
from runbook_lib.operations import file_commands, files

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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory whose owner has put links to a file of root's under the names that the commands use."""
    (tmp_path / "shadow").write_text("root:secret\n", encoding="utf-8")
    (tmp_path / "shadow").chmod(0o600)
    (tmp_path / "home").mkdir()
    for name in ("profile.runbook-new", ".profile.runbook-new", ".profile.runbook-old"):
        (tmp_path / "home" / name).symlink_to(tmp_path / "shadow")
    return tmp_path / "home"


def assert_untouched(home: Path) -> None:
    shadow = home.parent / "shadow"
    assert (shadow.read_text(encoding="utf-8"), shadow.stat().st_mode & 0o777) == ("root:secret\n", 0o600)


def test_a_link_that_the_owner_of_the_directory_has_planted_is_not_followed(home: Path) -> None:
    path = home / "profile"
    done = replace(path, TEXT)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text(encoding="utf-8") == TEXT
    assert not path.is_symlink()
    assert_untouched(home)


@pytest.mark.parametrize("encoding", ["text", "base64"])
def test_nor_by_the_commands_that_replace_and_restore(home: Path, encoding: str) -> None:
    path, owner = home / "profile", f"{os.geteuid()}:{os.getegid()}"
    path.write_text("former\n", encoding="utf-8")
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    given = base64.b64encode(TEXT.encode()).decode() if encoding == "base64" else TEXT
    write = file_commands.replace(str(path), given, digest, owner=owner, mode="0666", encoding=encoding)
    subprocess.run(write.argv, input=given, text=True, check=True)
    assert (path.read_text(encoding="utf-8"), path.is_symlink()) == (TEXT, False)
    assert path.stat().st_mode & 0o777 == 0o666
    assert_untouched(home)
    former = hashlib.sha256(b"former\n").hexdigest()
    (home.parent / former).write_text("former\n", encoding="utf-8")
    before = FileInfo(
        in_directory=True,
        kind="regular file",
        owner=str(os.geteuid()),
        group=str(os.getegid()),
        mode="0640",
        sha256=former,
    )
    argv = list(file_commands.restore(str(path), before, digest).argv)
    argv[argv.index(file_commands.KEPT)] = str(home.parent)
    subprocess.run(argv, check=True)
    assert (path.read_text(encoding="utf-8"), path.is_symlink()) == ("former\n", False)
    assert path.stat().st_mode & 0o777 == 0o640
    assert_untouched(home)


@pytest.mark.parametrize("made", ["file", "link"])
def test_a_file_that_someone_has_made_meanwhile_is_left_as_it_is(tmp_path: Path, made: str) -> None:
    """Its contents were not kept, and a rollback would remove it."""
    path = tmp_path / "file"
    if made == "file":
        path.write_text("theirs", encoding="utf-8")
    else:
        path.symlink_to(tmp_path / "nowhere")
    owner, digest = f"{os.geteuid()}:{os.getegid()}", hashlib.sha256(TEXT.encode()).hexdigest()
    write = file_commands.replace(str(path), TEXT, digest, owner=owner, mode="0644", absent=True)
    done = subprocess.run(write.argv, input=TEXT, capture_output=True, text=True, check=False)
    assert (done.returncode, "was made by someone else" in done.stderr) == (1, True)
    assert path.is_symlink() or path.read_text(encoding="utf-8") == "theirs"
    assert list(tmp_path.iterdir()) == [path]
