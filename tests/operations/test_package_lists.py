"""The stamp of apt's lists: only if all of them were read. With this machine's own apt, on directories of the test."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.packages import LISTS_READ
from runbook_lib.facts.release import ReleaseInfo
from runbook_lib.operations import packages

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.commands import Command


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """Directories for apt, with one source that can be read, and its configuration."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt on this machine")
    for name in ("etc", "state/lists/partial", "cache/archives/partial", "log", "source"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "state/status").touch()
    (tmp_path / "source/Packages").touch()
    options = {
        "Dir::Etc": tmp_path / "etc",
        "Dir::State": tmp_path / "state",
        "Dir::State::status": tmp_path / "state/status",
        "Dir::Cache": tmp_path / "cache",
        "Dir::Log": tmp_path / "log",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 0,
    }
    lines = [f'{name} "{value}";' for name, value in options.items()]
    hooks = ["APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"]
    (tmp_path / "apt.conf").write_text("\n".join([*(f"#clear {hook};" for hook in hooks), *lines]))
    return tmp_path


def update(place: Path, *sources: str) -> int:
    (place / "etc/sources.list").write_text("".join(f"{line}\n" for line in sources))
    return run(place, packages.update_lists())


def run(place: Path, command: Command) -> int:
    argv = [part.replace(LISTS_READ, f"{place}/stamp") for part in command.argv]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(place / "apt.conf")}
    return subprocess.run(argv, capture_output=True, check=False, env=environment).returncode


def test_a_list_that_cannot_be_read_leaves_no_stamp(apt: Path) -> None:
    good, dead = f"deb [trusted=yes] file:{apt}/source ./", "deb http://127.0.0.1:9/debian bookworm main"
    assert update(apt, good) == 0
    assert (apt / "stamp").exists()
    assert update(apt, good, dead) == 100
    assert not (apt / "stamp").exists(), "nor that of the update before"


def test_nothing_is_installed_from_lists_of_which_one_cannot_be_read(apt: Path) -> None:
    debian = ReleaseInfo("debian", "12", "bookworm", "Debian 12", "debian")
    *_, lists, _ = packages.install(debian, {"debian": ("curl",)})
    sources = apt / "etc/sources.list"
    sources.write_text(f"deb [trusted=yes] file:{apt}/source ./\n")
    assert run(apt, lists) == 0
    sources.write_text(f"{sources.read_text()}deb http://127.0.0.1:9/debian bookworm main\n")
    assert run(apt, lists) == 100
