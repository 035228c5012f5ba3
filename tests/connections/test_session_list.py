"""The list of a connection's sessions costs the host little, however many processes it has."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from runbook_lib.connections.termination import list_sessions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs


def test_no_program_is_started_for_processes_of_others(tmp_path: Path, programs: Programs) -> None:
    """With one for each, a host with thousands of them took longer than an interrupt may wait."""
    grep = tmp_path / "grep"
    grep.write_text(
        f'#!/bin/sh\necho >>"{tmp_path}/started"\nexec {shutil.which("grep")} "$@"\n', encoding="utf-8"
    )
    grep.chmod(0o755)
    others = [
        programs.start(["sleep", "600"], start_new_session=False) for _ in range(20)
    ]  # sessions of this one, as all processes here
    session = programs.start(["sleep", "600"])
    test_command = programs.start(["sh", "-c", "sleep 600; exit 7", "runbook-probe"])
    done = subprocess.run(
        list_sessions().argv,
        input=list_sessions().stdin,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    pids = {int(line.split()[0]) for line in done.stdout.splitlines()}
    assert session.pid in pids
    assert not pids & {other.pid for other in [*others, test_command]}
    started = (tmp_path / "started").read_text(encoding="utf-8").count("\n")
    assert started == len(pids | {test_command.pid})
