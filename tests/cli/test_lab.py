"""`runbook lab` on the command line, without a lab."""

from __future__ import annotations

import pytest

from runbook_lib.cli.lab import lab_command


@pytest.mark.parametrize(
    "command",
    [["docker", "run", "--name", "web", "-d", "image"], ["ls", "-h"], ["ip", "--help"], ["echo", "--", "-n"]],
    ids=" ".join,
)
def test_options_after_the_host_are_those_of_its_command(command: list[str]) -> None:
    shell = lab_command.commands["shell"]
    words = ["--name", "mine", "host-a", *command]
    parsed = shell.make_context("shell", words, help_option_names=["-h", "--help"]).params
    assert parsed == {"name": "mine", "host": "host-a", "command": tuple(command)}
