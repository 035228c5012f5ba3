"""`command.run` without sudo asks for nothing as root: an ordinary user's first lesson depends on it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.file import FileState
from runbook_lib.model.commands import Command, Output
from runbook_lib.operations import command

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("sudo", [False, True])
def test_sudo_is_for_all_commands_or_for_none(*, sudo: bool) -> None:
    operation = command.run("make it", creates="/srv/made", unless="test -e /srv/made", sudo=sudo)
    requests = [fact.request() for fact in operation.facts()]
    assert {request.sudo for request in requests if isinstance(request, Command)} == {sudo}


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Return a directory that every user may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_file_that_the_user_may_not_read_exists_all_the_same(reachable: Path) -> None:
    path = reachable / "secret"
    path.write_text("x", encoding="utf-8")
    path.chmod(0)
    request = FileState(str(path), sudo=False).request()
    nobody = 65534 if os.geteuid() == 0 else None
    done = subprocess.run([*request.argv], capture_output=True, text=True, check=True, user=nobody)
    found = FileState(str(path), sudo=False).parse(Output(0, done.stdout, ""))
    assert (found.kind, found.sha256, found.mode) == ("regular file", "", "0000")
