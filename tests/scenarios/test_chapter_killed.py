"""The chapter on real hosts, killed after every step and in every change: in turn the kernel, the runner and a host.

A killed run is resumed until its last step has ended; then every host must be in the desired state. Each test case
begins with another of the three, so that three cases together kill each of them at every step. `make test-kills` runs
them; the first case, in which the packages are installed undisturbed, is the shortest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from runbook_lib.process_identity import start_ticks
from tests.deadlines import deadline, wait_until
from tests.scenarios.practice import Practice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from tests.programs import Programs

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.kills]

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
        """Wait until that step, or a later one, reaches the point where the run is to be killed.

        Returns:
            The step's number; None if the run has ended before.
        """
        end = time.monotonic() + deadline(_STEP)
        while time.monotonic() < end:
            exited = self.process.poll() is not None
            for entry in self.entries():
                wanted = entry["event"] == ("command_started" if in_a_change else "step_ended")
                if wanted and entry["step"] >= step and (not in_a_change or entry["kind"] == "change"):
                    number: int = entry["step"]
                    return None if exited else number
            if exited:
                return None
            time.sleep(0.005)
        busy = "\n".join(
            f"{host}:\n{self.practice.on(host, 'ps -eo pid,ppid,user,stat,wchan:20,etimes,args --forest')}"
            for host in ("host-a", "host-b")
        )
        pytest.fail(f"step {step} was not reached in {deadline(_STEP):.0f} s; what the hosts do:\n{busy}")

    def kill(self, victim: str) -> None:
        """Kill the victim, and wait until the run's processes have exited."""
        if victim == "kernel":
            self._signal(signal.SIGKILL)
        elif victim == "runner":
            self.process.kill()
        else:
            self._signal(signal.SIGSTOP)  # cutting the power takes longer than many a step
            self.practice.lab.faults.inject(f"power:{victim}")
            self._signal(signal.SIGCONT)
        self.process.communicate(timeout=deadline(_STEP))
        self.practice.lab.faults.repair()
        wait_until(lambda: not start_ticks(self.pid))

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(
            ProcessLookupError
        ):  # after the last step the kernel exits before its runner
            os.kill(self.pid, number)

    def _wait_for_journal(self, before: set[Path]) -> Path:
        def started() -> list[Path]:
            new = set(self.practice.runs.glob("*/journal.jsonl")) - before
            return [journal for journal in new if read_lines(journal.read_bytes()).entries]

        wait_until(lambda: started() or self.process.poll() is not None)
        found = started()
        assert found, f"no run was started:\n{self.process.communicate(timeout=deadline(60))[0]}"
        return found[0]


@pytest.fixture
def new(scenario_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[Practice]:
    """Return a lab with freshly installed hosts."""
    scenario_lab.faults.repair()
    scenario_lab.reset()
    yield Practice(scenario_lab, tmp_path, programs)
    scenario_lab.faults.repair()


@pytest.mark.timeout(deadline(1800))
@pytest.mark.parametrize(
    ("first", "in_a_change", "undisturbed"),
    [
        (0, True, CHAPTER[:1]),
        *((first, in_a_change, ()) for in_a_change in (True, False) for first in range(len(VICTIMS))),
    ],
)
def test_the_chapter_is_resumed_until_every_host_is_in_the_desired_state(
    new: Practice, first: int, *, in_a_change: bool, undisturbed: tuple[str, ...]
) -> None:
    if undisturbed:
        installed = new.run(*undisturbed)
        assert installed.returncode == 0, installed.stdout
    victims = itertools.islice(itertools.cycle(VICTIMS), first, None)
    disturbed = [name for name in CHAPTER if name not in undisturbed]
    killed = sum(kill_and_resume(new, name, victims, in_a_change=in_a_change) for name in disturbed)
    assert killed >= len(disturbed) + 1, "too few steps were killed"
    validated = new.run("90_validate", "-p", "also_validate", "[]")
    assert validated.returncode == 0, validated.stdout
    again = new.run(*CHAPTER)
    assert again.returncode == 0, again.stdout
    for record in new.records()[-len(CHAPTER) :]:
        assert record.status is Status.OK, f"{record.runbook} had passed, and yet it changed something again"


def kill_and_resume(practice: Practice, name: str, victims: Iterator[str], *, in_a_change: bool) -> int:
    """Run a runbook, kill it at every step and resume it until it passes; return how often it was killed."""
    step, killed, arguments = 1, 0, [name]
    while True:
        attempt = Attempt(practice, *arguments)
        reached = attempt.reaches(step, in_a_change=in_a_change)
        victim = next(victims)
        if reached is None:
            output, _ = attempt.process.communicate(timeout=deadline(_STEP))
            assert attempt.process.returncode == 0, f"{name} after {killed} kills:\n{output}"
            assert read_journal(attempt.journal).status.is_success
            return killed
        attempt.kill(victim)
        record = read_journal(attempt.journal)
        passed = attempt.process.returncode == 0
        # A run may have recorded its end just before the kill of its kernel or runner: then the run passed and the
        # command did not.
        assert record.status.is_success == passed or (victim in {"kernel", "runner"} and not passed), (
            f"{victim}, step {reached}: {record.status}, exit code {attempt.process.returncode}"
        )
        if record.status.is_success:  # the run had ended before the kill
            return killed
        step, killed, arguments = reached + 1, killed + 1, ["--resume", record.run]
