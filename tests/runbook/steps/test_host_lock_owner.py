"""No other user of a host can hold the lock: its directory is root's alone, and whose it is, is checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.runbook.steps.host_lock import _HOLD
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
HELD = 75

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user's processes need root to be started")


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that all users can enter, as /run is."""
    top = Path(tempfile.mkdtemp(prefix="runbook-lock-test-"))
    top.chmod(0o755)
    yield top
    shutil.rmtree(top)


def acquire(file: Path) -> subprocess.CompletedProcess[str]:
    """Acquire the lock as a run does, and release it at once."""
    command = ["sh", "-c", _HOLD, "runbook-lock", str(file), '{"run": "me"}', "", "yes"]
    return subprocess.run(
        command, input="release\n", capture_output=True, text=True, timeout=deadline(30), check=False
    )


def hold_as_nobody(file: Path) -> subprocess.CompletedProcess[str]:
    """Try to hold the lock as another user: to flock, a file open for reading is enough."""
    command = ["flock", "-n", str(file), "true"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=deadline(30),
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )


def test_another_user_cannot_hold_the_lock(top: Path) -> None:
    file = top / "runbook" / "lock"
    assert acquire(file).returncode == 0
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert "ermission denied" in hold_as_nobody(file).stderr
    assert acquire(file).returncode == 0


def test_a_directory_that_others_could_enter_is_closed(top: Path) -> None:
    file = top / "runbook" / "lock"
    file.parent.mkdir(mode=0o755)
    file.touch()
    file.chmod(0o644)
    assert hold_as_nobody(file).returncode == 0
    assert acquire(file).returncode == 0
    assert "ermission denied" in hold_as_nobody(file).stderr


def test_a_directory_of_another_user_is_refused_by_name(top: Path) -> None:
    file = top / "runbook" / "lock"
    file.parent.mkdir(mode=0o755)
    os.chown(file.parent, NOBODY, NOBODY)
    done = acquire(file)
    assert done.returncode not in {0, HELD}
    assert done.stderr == f"{file.parent} is a link or belongs to another user\n"


@pytest.mark.parametrize("planted", ["directory", "file"])
def test_a_link_is_refused_by_name(top: Path, planted: str) -> None:
    file = top / "runbook" / "lock"
    (top / "elsewhere").mkdir()
    if planted == "directory":
        file.parent.symlink_to(top / "elsewhere")
    else:
        file.parent.mkdir()
        (top / "elsewhere" / "victim").touch()
        file.symlink_to(top / "elsewhere" / "victim")
    done = acquire(file)
    assert done.returncode not in {0, HELD}
    assert "is a link or belongs to another user" in done.stderr


@pytest.mark.parametrize("acts_on", ["", "switch-1"])
def test_without_root_the_lock_is_in_the_users_directory_one_for_each_thing_acted_on(
    top: Path, acts_on: str
) -> None:
    suffix = f"-{acts_on}" if acts_on else ""
    command = ["sh", "-c", _HOLD, "runbook-lock", "", '{"run": "me"}', "", "", *([suffix] if suffix else [])]
    done = subprocess.run(
        command,
        input="release\n",
        capture_output=True,
        text=True,
        timeout=deadline(30),
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(top)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{top}/.runbook-lock{suffix}"
