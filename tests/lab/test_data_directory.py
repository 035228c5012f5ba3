"""A lab uses and removes no directory for its hosts' files but its own, wherever RUNBOOK_LAB_DATA leads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.paths import DATA, LabPaths, changing, check_data
from runbook_lib.lab.teardown import tear_down
from tests.deadlines import deadline, wait_until
from tests.lab_names import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabPaths]:
    """Return the files of a lab that is not up, in a directory where others have files too."""
    monkeypatch.setenv("RUNBOOK_LAB_DATA", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    found = LabPaths(lab_name("documents"))
    yield found
    shutil.rmtree(found.run, ignore_errors=True)


def test_a_directory_of_somebody_else_is_neither_used_nor_removed(paths: LabPaths) -> None:
    paths.data.mkdir()
    (paths.data / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="would be in a directory that no lab has made"):
        check_data(paths)
    assert tear_down(paths) is False
    assert (paths.data / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_the_directory_of_a_lab_that_was_lost_in_a_reboot_is_used_again_and_removed(paths: LabPaths) -> None:
    check_data(paths)
    paths.make_data()
    (paths.data / "host-a").mkdir()
    check_data(paths)
    assert tear_down(paths) is True
    assert not paths.data.exists()


def test_the_directory_that_a_lab_of_an_earlier_version_has_a_link_to_is_removed(paths: LabPaths) -> None:
    (paths.data / "host-a").mkdir(parents=True)
    paths.run.mkdir(parents=True)
    (paths.run / "data").symlink_to(paths.data)
    assert tear_down(paths) is True
    assert not paths.data.exists()
    assert not paths.run.exists()


def test_an_empty_directory_and_none_can_be_used(paths: LabPaths) -> None:
    check_data(paths)
    paths.data.mkdir()
    check_data(paths)


def test_an_empty_directory_of_somebody_else_stays_as_does_the_one_above(paths: LabPaths) -> None:
    paths.data.mkdir()
    assert tear_down(paths) is False
    assert paths.data.exists()
    paths.make_data()
    assert tear_down(paths) is True
    assert paths.data.parent.exists()


@pytest.mark.parametrize("given", ["", "~/labs"])
def test_the_variable_is_read_as_the_caches(
    paths: LabPaths, given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNBOOK_LAB_DATA", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.data.parent == (tmp_path / "labs" if given else DATA)


@pytest.mark.skipif(os.geteuid() != 0, reason="chown needs root")
def test_a_directory_that_another_user_has_made_is_refused_with_its_mark(paths: LabPaths) -> None:
    paths.make_data()
    os.chown(paths.data, 61234, 61234)
    with pytest.raises(InputError, match="would be in a directory that no lab has made"):
        check_data(paths)
    with pytest.raises(LabError, match="the directory belongs to another user"):
        make_private(paths.data)
    assert tear_down(paths) is False
    assert paths.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's id needs root")
def test_a_user_without_a_home_directory_is_told_what_to_set() -> None:
    program = (
        "import os\nfrom runbook_lib.errors import InputError\n"
        "from runbook_lib.lab.system.paths import cache_directory\n"
        "os.setuid(61234)\n"
        "try:\n    cache_directory()\nexcept InputError as refused:\n    print(refused)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in {"HOME", "RUNBOOK_CACHE"}}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=deadline(60),
        env=environment,
    )
    assert "this user has no home directory" in done.stdout
    assert "HOME" in done.stdout


def test_a_full_disk_is_an_error_of_the_lab(paths: LabPaths) -> None:
    with (
        pytest.raises(LabError, match=r"a file of the lab cannot be used: No space left on device") as failed,
        changing(paths),
    ):
        Path("/dev/full").write_text("x", encoding="utf-8")
    assert "free space" in str(failed.value)
    assert not paths.lock.exists()


def test_a_command_that_waits_for_another_one_says_so(
    paths: LabPaths, caplog: pytest.LogCaptureFixture
) -> None:
    def change() -> None:
        with changing(paths):
            pass

    with ThreadPoolExecutor(1) as threads, changing(paths):
        waiting = threads.submit(change)
        wait_until(lambda: "waiting for another command that is changing the lab" in caplog.text)
        assert not waiting.done()
    waiting.result()
