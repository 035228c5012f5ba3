"""Locks exclude other holders, are shared on request, and end with the file or the process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from runbook_lib import file_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from runbook_lib import file_lock
with open(sys.argv[1]) as file:
    assert file_lock.acquire(file)
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_excludes_others_until_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as second:
        with path.open() as first:
            assert file_lock.acquire(first)
            assert not file_lock.acquire(second, wait=False)
            assert not file_lock.acquire(second, shared=True, wait=False)
        assert file_lock.acquire(second, wait=False)


def test_shared_locks_exclude_only_exclusive_ones(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open() as second, path.open() as third:
        assert file_lock.acquire(first, shared=True)
        assert file_lock.acquire(second.fileno(), shared=True, wait=False)
        assert not file_lock.acquire(third, wait=False)


def test_a_killed_process_releases_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"locked\n"
        with path.open() as file:
            assert not file_lock.acquire(file, wait=False)
            holder.kill()
            assert file_lock.acquire(file)
