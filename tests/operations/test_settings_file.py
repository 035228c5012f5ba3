"""The folder of a settings file: left as it is where it exists, and removed again by a rollback where it was made."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.base import Facts
from runbook_lib.model.commands import Output
from runbook_lib.operations.settings_file import SettingsFile

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.commands import Command
    from runbook_lib.model.plans import Plan

TEXT = "[Service]\nNice=5\n"


def sent(command: Command) -> Output:
    done = subprocess.run(command.argv, capture_output=True, text=True, check=False)
    return Output(done.returncode, done.stdout, done.stderr)


def planned(path: Path) -> Plan:
    settings = SettingsFile(str(path), TEXT, "the folder")
    return settings.plan(Facts({settings.state: settings.state.parse(sent(settings.state.request()))}))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("closed", [0o700, 0o2750])
def test_a_folder_that_exists_keeps_its_permissions_and_outlives_a_rollback(
    tmp_path: Path, closed: int
) -> None:
    folder = tmp_path / "docker.service.d"
    folder.mkdir()
    folder.chmod(closed)
    plan = planned(folder / "runbook.conf")
    assert not any(str(folder) in command.argv for command in (*plan.commands, *plan.rollback))
    assert mode(folder) == closed


def test_a_folder_made_by_someone_else_since_keeps_its_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "docker.service.d"
    make = planned(folder / "runbook.conf").commands[0]
    folder.mkdir(mode=0o700)
    assert sent(make).exit_code == 0
    assert mode(folder) == 0o700


@pytest.mark.parametrize("reached", ["nothing", "folder", "file"])
def test_a_rollback_removes_the_folder_that_was_made(tmp_path: Path, reached: str) -> None:
    path = tmp_path / "docker.service.d" / "runbook.conf"
    plan = planned(path)
    if reached != "nothing":
        assert sent(plan.commands[0]).exit_code == 0
        assert mode(path.parent) == 0o755
    if reached == "file":
        path.write_text(TEXT, encoding="utf-8")
    assert [sent(command).exit_code for command in plan.rollback] == [0, 0]
    assert not path.parent.exists()


def test_a_rollback_leaves_a_folder_in_which_others_have_put_something(tmp_path: Path) -> None:
    path = tmp_path / "docker.service.d" / "runbook.conf"
    plan = planned(path)
    sent(plan.commands[0])
    path.write_text(TEXT, encoding="utf-8")
    path.with_name("proxy.conf").touch()
    assert [sent(command).exit_code for command in plan.rollback] == [0, 0]
    assert [item.name for item in path.parent.iterdir()] == ["proxy.conf"]
