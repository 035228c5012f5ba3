"""`command.run` without sudo asks for nothing as root: an ordinary user's first lesson depends on it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.file import FileState
from runbook_lib.model.commands import Command, Output
from runbook_lib.operations import command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sudo", [False, True])
def test_sudo_is_for_all_commands_or_for_none(*, sudo: bool) -> None:
    operation = command.run("make it", creates="/srv/made", unless="test -e /srv/made", sudo=sudo)
    requests = [fact.request() for fact in operation.facts()]
    assert {request.sudo for request in requests if isinstance(request, Command)} == {sudo}


def test_a_file_that_the_user_may_not_read_exists_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x", encoding="utf-8")
    path.chmod(0)
    for directory in (tmp_path, *tmp_path.parents[:2]):  # pytest makes them for their owner alone
        directory.chmod(0o755)
    request = FileState(str(path), sudo=False).request()
    nobody = 65534 if os.geteuid() == 0 else None
    done = subprocess.run([*request.argv], capture_output=True, text=True, check=True, user=nobody)
    found = FileState(str(path), sudo=False).parse(Output(0, done.stdout, ""))
    assert (found.kind, found.sha256, found.mode) == ("regular file", "", "0000")
