"""Only what says that a reboot is required counts as that: every error of needs-restarting has the same exit code."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.kernel import RebootRequired
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    from pathlib import Path

# Sentences of yum-utils 1.1.31 (EL 7) and of dnf-plugins-core 4 and 5; the program is a stand-in that prints them.
REQUIRED = "Reboot is required to fully utilize these updates."
REQUIRED_EL7 = "Reboot is required to ensure that your system benefits from these updates."


@pytest.mark.parametrize(
    ("printed", "code", "required"),
    [
        (REQUIRED, 1, True),
        (REQUIRED_EL7, 1, True),
        ("No core libraries or services have been updated.", 0, False),
        ("Error: Error: rpmdb open failed", 1, None),
        ("", 1, None),
        ("usage: needs-restarting", 2, None),
    ],
)
def test_an_error_is_not_a_required_reboot(printed: str, code: int, required: object, tmp_path: Path) -> None:
    program = tmp_path / "needs-restarting"
    program.write_text(f"#!/bin/sh\necho '{printed}'\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    fact = RebootRequired()
    asked = fact.request()
    assert isinstance(asked, Command)
    argv = [part.replace("/run/reboot-required", f"{tmp_path}/none") for part in asked.argv]
    search = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=search)
    output = Output(done.returncode, done.stdout, done.stderr)
    assert fact.parse(output).required is required
