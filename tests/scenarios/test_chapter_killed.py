"""The chapter on real hosts, killed after every step and in every change, by turns the kernel, the runner and a host.

What was killed is gone on with until its last step has ended; then all of it must be right. Each turn begins with
another of the three, so the three turns together kill each of them everywhere; `make test-kills` takes the other two.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.evidence.reader import read_journal, read_lines
from runbook_lib.model.status import Status
from runbook_lib.process_identity import start_ticks
from tests.deadlines import deadline, wait_until
from tests.scenarios.practice import Practice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from tests.programs import Programs

VICTIMS = ("kernel", "runner", "host-b")
CHAPTER = ("20_docker_install", "30_bridge_br0", "40_ambassador_redis")
_STEP = 240.0  # seconds for a step, on an idle machine


class Attempt:
    """One run of a runbook, watched through its journal, and killed once."""

    def __init__(self, practice: Practice, *arguments: str) -> None:
        self.practice = practice
        before = set(practice.runs.glob("*/journal.jsonl"))
        self.process = practice.start(*arguments)
        self.journal = self._wait_for_journal(before)
        self.pid = self.entries()[0]["pid"]

    def entries(self) -> list[dict[str, Any]]:
        return read_lines(self.journal.read_bytes()).entries

    def reaches(self, step: int, *, in_a_change: bool) -> int | None:
        """Wait until that step, or the first after it that there is one in, comes to where it is to be killed.

        Returns:
            Its number; None where the run has ended before.
        """
        end = time.monotonic() + deadline(_STEP)
        while time.monotonic() < end:
            over = self.process.poll() is not None
            for entry in self.entries():
                wanted = entry["event"] == ("command_started" if in_a_change else "step_ended")
                if wanted and entry["step"] >= step and (not in_a_change or entry["kind"] == "change"):
                    number: int = entry["step"]
                    return None if over else number
            if over:
                return None
            time.sleep(0.005)
        pytest.fail(f"step {step} was not reached in {deadline(_STEP):.0f} s")

    def kill(self, victim: str) -> None:
        """Kill it, and wait until nothing of it is left."""
        if victim == "kernel":
            os.kill(self.pid, signal.SIGKILL)
        elif victim == "runner":
            self.process.kill()
        else:
            os.kill(self.pid, signal.SIGSTOP)  # pulling a plug takes longer than many a step
            self.practice.lab.faults.inject(f"power:{victim}")
            os.kill(self.pid, signal.SIGCONT)
        self.process.communicate(timeout=deadline(_STEP))
        self.practice.lab.faults.repair()
        wait_until(lambda: not start_ticks(self.pid))

    def _wait_for_journal(self, before: set[Path]) -> Path:
        def begun() -> list[Path]:
            new = set(self.practice.runs.glob("*/journal.jsonl")) - before
            return [journal for journal in new if read_lines(journal.read_bytes()).entries]

        wait_until(lambda: begun() or self.process.poll() is not None)
        found = begun()
        assert found, f"no run was begun:\n{self.process.communicate(timeout=deadline(60))[0]}"
        return found[0]


@pytest.fixture
def new(scenario_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[Practice]:
    """A lab of freshly installed hosts."""
    scenario_lab.faults.repair()
    scenario_lab.reset()
    yield Practice(scenario_lab, tmp_path, programs)
    scenario_lab.faults.repair()


@pytest.mark.timeout(deadline(1800))
@pytest.mark.parametrize("in_a_change", [False, True], ids=["after-each-step", "in-each-change"])
@pytest.mark.parametrize(
    "first", [0, pytest.param(1, marks=pytest.mark.kills), pytest.param(2, marks=pytest.mark.kills)]
)
def test_the_chapter_is_gone_on_with_until_it_is_right(
    new: Practice, first: int, *, in_a_change: bool
) -> None:
    victims = itertools.islice(itertools.cycle(VICTIMS), first, None)
    killed = sum(killed_all_along(new, name, victims, in_a_change=in_a_change) for name in CHAPTER)
    assert killed >= len(CHAPTER) + 1, "it was hardly killed at all"
    validated = new.run("90_validate")
    assert validated.returncode == 0, validated.stdout
    again = new.run(*CHAPTER)
    assert again.returncode == 0, again.stdout
    for record in new.records()[-len(CHAPTER) :]:
        assert record.status is Status.OK, f"{record.runbook} was called right, and changed something again"


def killed_all_along(practice: Practice, name: str, victims: Iterator[str], *, in_a_change: bool) -> int:
    """Run a runbook, kill it at every step, and go on with it until it ends well; return how often it was killed."""
    step, killed, arguments = 1, 0, [name]
    while True:
        attempt = Attempt(practice, *arguments)
        reached = attempt.reaches(step, in_a_change=in_a_change)
        victim = next(victims)
        if reached is None:
            said, _ = attempt.process.communicate(timeout=deadline(_STEP))
            assert attempt.process.returncode == 0, f"{name} after {killed} kills:\n{said}"
            assert read_journal(attempt.journal).status.is_success
            return killed
        attempt.kill(victim)
        record = read_journal(attempt.journal)
        ended_well = attempt.process.returncode == 0
        # A runner may be killed when its run has just told its end: nobody calls that right, and yet it is.
        assert record.status.is_success == ended_well or (victim == "runner" and not ended_well), (
            f"{victim}, step {reached}: {record.status}, exit code {attempt.process.returncode}"
        )
        if record.status.is_success:  # it had ended before the blow fell
            return killed
        step, killed, arguments = reached + 1, killed + 1, ["--resume", record.run]
