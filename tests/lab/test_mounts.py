"""Mounts that several labs' commands list and release at the same time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.system.mounts import mounts_below, unmount
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab

_LIST_THEN_UNMOUNT = """
import sys
from pathlib import Path
from runbook_lib.lab.system.mounts import mounts_below, unmount
listed = mounts_below(Path(sys.argv[1]))
print(len(listed), flush=True)
sys.stdin.readline()
for target in listed:
    unmount(target, "release the mounts")
print(len(mounts_below(Path(sys.argv[1]))))
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[list[Path]]:
    """Two mount points, which are unmounted afterwards if they are mounted still."""
    targets = [tmp_path / "labs" / name for name in ("one lab", "another")]
    for target in targets:
        target.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "test", str(target)], check=True)
    yield targets
    for target in mounts_below(tmp_path):
        subprocess.run(["umount", "--lazy", str(target)], check=True)


def test_a_mount_that_another_lab_releases_after_it_was_listed_is_no_error(mounted: list[Path]) -> None:
    directory = mounted[0].parent
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        "-c",
        _LIST_THEN_UNMOUNT,
        str(directory),
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "2\n"
        for target in mounted:
            unmount(target, "end the other lab")
            target.rmdir()  # takes the copies of the mount out of all other mount namespaces
        rest, _ = process.communicate("go on\n", timeout=deadline(30))
    assert process.returncode == 0
    assert rest == "0\n"


def test_a_mount_that_is_in_use_is_an_error_and_stays(mounted: list[Path]) -> None:
    with (
        (mounted[0] / "file").open("w", encoding="utf-8"),
        pytest.raises(LabError, match="could not end it"),
    ):
        unmount(mounted[0], "end it")
    assert mounts_below(mounted[0]) == [mounted[0]]
    unmount(mounted[0], "end it")
    assert mounts_below(mounted[0].parent) == [mounted[1]]
