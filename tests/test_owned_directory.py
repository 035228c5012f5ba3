"""Temporary directories of processes that were killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from runbook_lib.owned_directory import OwnedDirectory

HOLDER = """
import sys, time
from runbook_lib.owned_directory import OwnedDirectory
made = OwnedDirectory("sockets-", sys.argv[1])
open(made.name + "/kernel-1", "w").close()
print(made.name, flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_leaves_is_removed_by_the_next_one() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        others = [Path(short, "sockets-without-lock"), Path(short, "other-directory")]
        for other in others:
            other.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, short], stdout=subprocess.PIPE, text=True
        ) as holder:
            try:
                assert holder.stdout
                left = Path(holder.stdout.readline().strip())
                with OwnedDirectory("sockets-", short) as made:
                    assert {*Path(short).iterdir()} == {left, Path(made), *others}, (
                        "one in use is not removed"
                    )
            finally:
                holder.send_signal(signal.SIGKILL)
        assert left.is_dir()
        with OwnedDirectory("sockets-", short) as made:
            assert {*Path(short).iterdir()} == {Path(made), *others}


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        left = Path(short, "sockets-left")
        left.mkdir()
        (left / "lock").symlink_to(target)
        with OwnedDirectory("sockets-", short):
            assert left.is_dir()
    assert target.exists()
