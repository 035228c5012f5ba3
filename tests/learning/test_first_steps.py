"""The first lesson, on this machine, with what another try has left in the home directory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from runbook_lib import read_run
from runbook_lib.model.status import Status
from tests.deadlines import deadline

TOP = Path(__file__).parents[2]


def test_its_task_is_not_solved_before_the_learner_has_done_anything(tmp_path: Path) -> None:
    file = tmp_path / "runbook-first-steps"
    file.write_text("done\n", encoding="utf-8")
    (tmp_path / "params").symlink_to(TOP / "params")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "runbook_lib.cli.main",
            "run",
            str(TOP / "notebooks" / "01_first_steps.ipynb"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP), "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=deadline(120),
    )
    (run,) = (tmp_path / "runs").iterdir()
    *_, named, task = read_run(run).steps
    assert (named.title, named.status) == ("The machine's name is in a file", Status.CHANGED)
    assert task.status is Status.SKIPPED
    assert file.read_text(encoding="utf-8") == f"{platform.node()}\n"
