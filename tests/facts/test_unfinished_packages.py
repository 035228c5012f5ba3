"""Unfinished packages, by the real dpkg-query: those that an installation left, not everything that dpkg finds odd."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="dpkg-query is not installed")

ENTRY = "Package: {name}\nStatus: {status}\nArchitecture: {architecture}\n"
ENTRY += "Version: 1\nMaintainer: a <a@b>\nDescription: x\n\n"


def read(place: Path, *packages: tuple[str, str, str]) -> Output:
    """Ask dpkg-query about a database of these packages; none of them has checksums."""
    (place / "info").mkdir()
    (place / "updates").mkdir()
    (place / "info/format").write_text("1\n", encoding="utf-8")
    status = "".join(
        ENTRY.format(name=name, status=status, architecture=architecture)
        for name, status, architecture in packages
    )
    (place / "status").write_text(status, encoding="utf-8")
    done = subprocess.run(
        UnfinishedPackages().request().argv,
        env={**os.environ, "DPKG_ADMINDIR": str(place), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Output(done.returncode, done.stdout, done.stderr)


def test_what_an_installation_cannot_finish_is_not_unfinished(tmp_path: Path) -> None:
    complete = ("web", "install ok installed", "all")
    # A package of an architecture that was removed since, one without checksums, one on hold, and a removed one.
    foreign = ("old", "install ok installed", "sparc")
    output = read(
        tmp_path,
        complete,
        foreign,
        ("held", "hold ok installed", "all"),
        ("gone", "deinstall ok config-files", "all"),
    )
    assert (output.exit_code, output.stdout) == (0, "")
    assert UnfinishedPackages().parse(output) is False


@pytest.mark.parametrize(
    "status",
    [
        "ok half-installed",
        "reinstreq half-installed",
        "reinstreq installed",
        "ok unpacked",
        "ok half-configured",
    ],
)
def test_what_an_installation_has_left_is_unfinished(tmp_path: Path, status: str) -> None:
    output = read(tmp_path, ("web", "install ok installed", "all"), ("docker.io", f"install {status}", "all"))
    assert (output.exit_code, output.stdout) == (0, f"docker.io install {status}\n")
    assert UnfinishedPackages().parse(output) is True


def test_a_database_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    done = subprocess.run(
        UnfinishedPackages().request().argv,
        env={**os.environ, "DPKG_ADMINDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
