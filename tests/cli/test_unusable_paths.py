"""A path on the command line that cannot even be looked at: one message, exit code 2."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from runbook_lib.cli import main
from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

CALLS = [
    ("progress", "PATH"),
    ("run", "PATH.ipynb"),
    ("run", "--resume", "PATH"),
    ("report", "PATH"),
    ("lint", "PATH"),
    ("audit", "verify", "PATH"),
    ("audit", "diff", "PATH", "PATH"),
    ("audit", "scan", "--policy", "PATH"),
    ("audit", "scan", "--policy=PATH"),
    ("audit", "seal", "PATH", "--key", "key"),
    ("audit", "keygen", "PATH"),
    ("lab", "up", "--topology", "PATH"),
]
# Prints what each command raised.
_ALL = """
import json, sys
from click.testing import CliRunner
from runbook_lib.cli.main import cli
for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(cli, words)
    print(json.dumps([type(done.exception).__name__, str(done.exception)]))
"""


def of(words: tuple[str, ...], path: Path) -> list[str]:
    return [word.replace("PATH", str(path)) for word in words]


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_name_that_no_file_can_have_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, of(words, tmp_path / ("n" * 300)))
    assert isinstance(done.exception, InputError), done.exc_info
    assert "nnn" in str(done.exception)
    assert len(str(done.exception)) < 1500


def test_a_path_below_a_directory_that_is_closed_to_this_user_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = [sys.executable, "-c", _ALL, json.dumps([of(words, closed / "x") for words in CALLS])]
    if os.geteuid() == 0:  # then without the capabilities by which root may open what belongs to others
        os.chown(closed, pwd.getpwnam("nobody").pw_uid, -1)
        program = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *program]
    else:
        closed.chmod(0)
    done = subprocess.run(
        program, check=False, capture_output=True, text=True, timeout=deadline(60), cwd=tmp_path
    )
    closed.chmod(0o700)
    raised = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(raised) == len(CALLS), done.stderr
    assert {name for name, _ in raised} == {"InputError"}, raised
    assert all(f"{closed}/x" in text and "Permission denied" in text for _, text in raised), raised


def test_another_problem_with_a_file_is_not_blamed_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusable = main._unusable  # noqa: SLF001 - no command is known to have such a problem
    monkeypatch.chdir(tmp_path)
    other = PermissionError(13, "Permission denied", str(tmp_path / "other" / "file"))
    assert unusable(other, ["lint", str(tmp_path / "given")]) is None
    assert unusable(other, ["lint", "--to=other"]) is not None
    assert unusable(FileNotFoundError(2, "No such file", "given"), ["lint", "given"]) is None
