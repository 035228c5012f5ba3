"""A fleet that is stopped ends although processes of earlier attempts have been left alone by their workers."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

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
try:
    with Claims(Path(sys.argv[1])).claim(sys.argv[2]):
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


class _Asked(Claims):
    """Claims that count how often somebody who waits has asked whether the fleet is stopped."""

    asked = 0

    @property
    def stopped(self) -> bool:
        self.asked += 1
        return super().stopped


def test_an_attempt_that_is_just_writing_its_claim_is_interrupted_too(
    tmp_path: Path, programs: Programs
) -> None:
    claims = _Asked(Claims.new(tmp_path).path)
    claims.stop()
    owner = programs.start(["sleep", "600"])
    with (claims.path / "1.1.claim").open("w") as claim, ThreadPoolExecutor(1) as threads:
        fcntl.flock(claim, fcntl.LOCK_EX)
        waiting = threads.submit(claims.await_earlier, JOB, 2)
        try:
            wait_until(lambda: claims.asked > 1, "a first look at the empty claim")
            json.dump(_claim_of(owner.pid), claim)
            claim.flush()
            assert owner.wait(deadline(30)) == -signal.SIGINT
        finally:
            fcntl.flock(claim, fcntl.LOCK_UN)
        waiting.result(deadline(30))


def _claim_of(pid: int) -> dict[str, Any]:
    return {
        "machine": os.uname().nodename,
        "pid": pid,
        "boot": boot_id(),
        "pid_began": start_ticks(pid),
    }


@pytest.mark.parametrize("wrong", ["machine", "boot", "pid_began", ""])
def test_a_process_that_may_be_another_one_is_not_interrupted(
    tmp_path: Path, programs: Programs, wrong: str
) -> None:
    claims = Claims.new(tmp_path)
    other = programs.start(["sleep", "600"])
    owner = {**_claim_of(other.pid), wrong: 1}
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
