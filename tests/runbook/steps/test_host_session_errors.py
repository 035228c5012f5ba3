"""A message about a command keeps its reason on the first line, however many lines the command has."""

from __future__ import annotations

import pytest

from runbook_lib.model.commands import Command, Output
from runbook_lib.runbook.steps.host_session_errors import command_failed, quoted_command, refused_by_sudo

SCRIPT = "if command -v dpkg-query >/dev/null; then\n  dpkg-query --show\nfi"
COMMAND = Command(("sh", "-c", SCRIPT))


def test_the_reason_is_on_the_first_line() -> None:
    refused = Output(exit_code=1, refused="sudo refused: a password is required", started=0.0, ended=1.0)
    problem = refused_by_sudo(COMMAND, refused, "host-a")
    assert problem.message == (
        "sudo refused: a password is required; "
        "`sh -c 'if command -v dpkg-query >/dev/null; then…` was not run"
    )
    failed = command_failed(COMMAND, Output(exit_code=3, stderr="broken\n", started=0.0, ended=1.0), "host-a")
    assert failed.message.endswith("then…` exited with 3: broken")
    assert "\n" not in failed.message


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("true", "`true`"), ("abcdef", "`abcde…`"), ("ab\ncd", "`ab…`"), ("abcdef\ng", "`abcde…`")],
)
def test_a_cut_is_marked_once(text: str, quoted: str) -> None:
    assert quoted_command(text, 5) == quoted
