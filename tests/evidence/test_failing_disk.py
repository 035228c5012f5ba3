"""A disk that fails when it is told to keep what was written: strace(1) lets the system call itself fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runbook_lib.evidence.reader import read_lines
from tests.deadlines import deadline

FIRST = 2
"""The call of fsync(2) for the first `append`; the one before it is for the new journal's directory."""
DOES = """
    import json, sys
    from pathlib import Path
    from runbook_lib.errors import EvidenceError
    from runbook_lib.evidence.journal import Journal

    journal, told = Journal(Path(sys.argv[1])), []
    for name, event in json.loads(sys.argv[2]):
        try:
            getattr(journal, name)(event)
            told.append("written")
        except EvidenceError as problem:
            told.append(str(problem))
    print(json.dumps(told))
"""


def told_on_a_disk_that_fails(journal: Path, lines: list[tuple[str, str]], *, at: int) -> list[str]:
    """Write lines where the `at`th fsync fails; return what came of each."""
    if shutil.which("strace") is None:
        assert "disk" not in os.environ.get("RUNBOOK_REQUIRE", ""), "this machine is meant to have strace"
        pytest.skip("strace is not installed")
    fails = ("-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={at}")
    does = (sys.executable, "-c", textwrap.dedent(DOES), str(journal), json.dumps(lines))
    done = subprocess.run(
        ["strace", "-qq", "-o", f"{journal}.calls", *fails, *does],
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=True,
    )
    assert "(INJECTED)" in Path(f"{journal}.calls").read_text(encoding="utf-8"), "no call was made to fail"
    told: list[str] = json.loads(done.stdout)
    return told


def events(journal: Path) -> list[str]:
    lines = read_lines(journal.read_bytes())
    assert lines.problem == ""
    return [entry["event"] for entry in lines.entries]


def test_a_line_that_does_not_reach_the_disk_is_taken_back_and_told(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    lines = [("append", "run_started"), ("append", "command_started"), ("append", "run_ended")]
    told = told_on_a_disk_that_fails(journal, lines, at=FIRST + 1)
    assert told[0] == told[2] == "written"
    assert "Input/output error" in told[1]
    assert events(journal) == ["run_started", "run_ended"]


def test_a_noted_line_that_is_lost_ends_the_journal(tmp_path: Path) -> None:
    """Whoever noted it did not wait: were the journal to go on, its loss would not be seen."""
    journal = tmp_path / "journal.jsonl"
    lines = [
        ("append", "command_started"),
        ("append_nowait", "command_ended"),
        ("append", "step_ended"),
        ("append_nowait", "command_ended"),
        ("append", "run_ended"),
    ]
    told = told_on_a_disk_that_fails(journal, lines, at=FIRST + 1)
    assert told[:2] == ["written", "written"]
    assert all("Input/output error" in line for line in told[2:])
    assert events(journal) == ["command_started"]


def test_a_noted_line_is_on_disk_with_the_next_that_waits(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    lines = [
        ("append", "command_started"),
        ("append_nowait", "command_ended"),
        ("append", "step_ended"),
        ("append", "x"),
    ]
    told = told_on_a_disk_that_fails(journal, lines, at=FIRST + 2)
    assert told[:3] == ["written"] * 3
    assert events(journal) == ["command_started", "command_ended", "step_ended"]
