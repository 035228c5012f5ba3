"""Missing programs are reported with the command that installs them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runbook_lib import system_requirements
from runbook_lib.errors import RequirementError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system_requirements, "_SYSTEM_DIRECTORIES", ())


@pytest.mark.usefixtures("bare_machine")
def test_missing_programs_are_named_with_packages_and_another_way() -> None:
    with pytest.raises(RequirementError) as caught:
        system_requirements.require("lab")
    assert "mmdebstrap (to build the hosts' root file systems)" in str(caught.value)
    assert "apt-get install" in str(caught.value)
    assert "docker-registry" in str(caught.value)
    assert "your own hosts" in str(caught.value)


@pytest.mark.usefixtures("bare_machine")
def test_without_apt_nothing_is_installed() -> None:
    with pytest.raises(RequirementError, match="not installed: chromium"):
        system_requirements.install("pages")


def test_a_part_whose_programs_are_installed_needs_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "chromium").write_text("#!/bin/sh\n", encoding="ascii")
    (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_requirements.missing("pages") == []
    assert system_requirements.install("pages") == []
    system_requirements.require("pages")


def test_an_ordinary_user_learns_that_the_lab_needs_root() -> None:
    if system_requirements.missing("lab") or os.geteuid() != 0:
        pytest.skip("needs the lab's programs, and root to switch to another user")
    code = (
        "import os; from runbook_lib import system_requirements; "
        "os.setuid(65534); system_requirements.require('lab')"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "needs root" in ended.stderr
    assert "your own hosts" in ended.stderr


@pytest.mark.usefixtures("bare_machine")
def test_the_command_ends_with_2_when_something_is_missing() -> None:
    assert system_requirements.main(["lab"]) == 2


def test_after_success_nothing_is_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "chromium").write_text("#!/bin/sh\n", encoding="ascii")
    (tmp_path / "chromium").chmod(0o755)
    command = [sys.executable, "-m", "runbook_lib.system_requirements", "--install", "pages"]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PATH": str(tmp_path)}
    )
    assert (ended.stdout, ended.stderr) == ("installed: nothing, all programs are present\n", "")


def test_the_command_ends_with_4_when_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: str) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(system_requirements, "install", interrupted)
    assert system_requirements.main(["--install", "pages"]) == 4
    assert capsys.readouterr().err == "interrupted\n"
