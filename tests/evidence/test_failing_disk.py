"""A disk on which syncing fails: strace(1) makes the system call itself fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runbook_lib.evidence.chain import read_lines
from tests.deadlines import deadline

FIRST = 2
"""The call of fsync(2) for the first `append`; the one before it is for the new journal's directory."""
DOES = """
    import json, sys
    from pathlib import Path
    from runbook_lib.errors import EvidenceError
    from runbook_lib.evidence.journal import Journal

    journal, results = Journal(Path(sys.argv[1])), []
    for name, event in json.loads(sys.argv[2]):
        try:
            getattr(journal, name)(event)
            results.append("written")
        except EvidenceError as problem:
            results.append(str(problem))
    print(json.dumps(results))
"""


def results_on_a_failing_disk(journal: Path, lines: list[tuple[str, str]], *, at: int) -> list[str]:
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
    results: list[str] = json.loads(done.stdout)
    return results


def events(journal: Path) -> list[str]:
    lines = read_lines(journal.read_bytes())
    assert lines.problem == ""
    return [entry["event"] for entry in lines.entries]


def test_a_line_that_does_not_reach_the_disk_is_removed_and_reported(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    lines = [("append", "run_started"), ("append", "command_started"), ("append", "run_ended")]
    results = results_on_a_failing_disk(journal, lines, at=FIRST + 1)
    assert results[0] == results[2] == "written"
    assert "Input/output error" in results[1]
    assert events(journal) == ["run_started", "run_ended"]


def test_an_unawaited_line_that_is_lost_closes_the_journal(tmp_path: Path) -> None:
    """The caller did not wait: if the journal continued, nobody would notice the loss."""
    journal = tmp_path / "journal.jsonl"
    lines = [
        ("append", "command_started"),
        ("append_nowait", "command_ended"),
        ("append", "step_ended"),
        ("append_nowait", "command_ended"),
        ("append", "run_ended"),
    ]
    results = results_on_a_failing_disk(journal, lines, at=FIRST + 1)
    assert results[:2] == ["written", "written"]
    assert all("Input/output error" in line for line in results[2:])
    assert events(journal) == ["command_started"]


def test_an_unawaited_line_is_on_disk_with_the_next_awaited_one(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    lines = [
        ("append", "command_started"),
        ("append_nowait", "command_ended"),
        ("append", "step_ended"),
        ("append", "x"),
    ]
    results = results_on_a_failing_disk(journal, lines, at=FIRST + 2)
    assert results[:3] == ["written"] * 3
    assert events(journal) == ["command_started", "command_ended", "step_ended"]
