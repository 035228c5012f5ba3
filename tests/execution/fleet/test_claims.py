"""A fleet that is stopped ends although processes of earlier attempts have been left alone by their workers."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runbook_lib.execution.fleet.claims import Claims
from runbook_lib.execution.fleet.run_job import _await_end
from runbook_lib.process_identity import boot_id, start_ticks
from tests.deadlines import deadline, wait_until
from tests.execution.fleet.killable_run import in_a_child

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs

JOB = "fleet/1"
_OWNER = """
import sys, time
from pathlib import Path
from runbook_lib.execution.fleet.claims import Claims
with Claims(Path(sys.argv[1])).claim(sys.argv[2]):
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_earlier_attempt_is_interrupted_once_the_fleet_is_stopped(
    tmp_path: Path, programs: Programs
) -> None:
    claims = Claims.new(tmp_path)
    owner = programs.start([sys.executable, "-c", _OWNER, str(claims.path), JOB])
    wait_until(lambda: any(claim.read_text() for claim in claims.path.glob("*.claim")))
    with claims.claim(JOB) as attempt, ThreadPoolExecutor(1) as threads:
        assert attempt == 2
        waiting = threads.submit(claims.await_earlier, JOB, attempt)
        claims.stop()
        try:
            output, _ = owner.communicate(timeout=deadline(30))
        finally:
            owner.kill()
        assert output == "interrupted\n"
        waiting.result(deadline(30))


@pytest.mark.parametrize("wrong", ["machine", "boot", "pid_began", ""])
def test_a_process_that_may_be_another_one_is_not_interrupted(
    tmp_path: Path, programs: Programs, wrong: str
) -> None:
    claims = Claims.new(tmp_path)
    other = programs.start(["sleep", "600"])
    owner = {"machine": os.uname().nodename, "pid": other.pid}
    owner |= {"boot": boot_id(), "pid_began": start_ticks(other.pid)}
    owner[wrong] = 1
    file = claims.path / "1.1.claim"
    file.write_text(json.dumps(owner) if wrong else "{", encoding="utf-8")
    claims.stop()
    with file.open() as held, ThreadPoolExecutor(1) as threads:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threads.submit(claims.await_earlier, JOB, 2)
        time.sleep(1)
        fcntl.flock(held, fcntl.LOCK_UN)
        waiting.result(deadline(30))
    assert other.poll() is None


def test_what_has_the_journal_of_a_killed_run_open_is_not_waited_for_once_the_fleet_is_stopped(
    tmp_path: Path,
) -> None:
    """A process that a cell has forked, for example: the process of the run itself is gone."""
    (tmp_path / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
    assert in_a_child(tmp_path, lines=6) == -9
    (run,) = (tmp_path / "runs").glob("2*")
    claims = Claims.new(tmp_path)
    claims.stop()
    with (run / "journal.jsonl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _await_end(run, claims)
