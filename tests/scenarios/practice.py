"""Runbooks run on a lab of the tests' own, through the real command line."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.lab.services.package_cache import service_name
from runbook_lib.lab.system.paths import RUN
from runbook_lib.lab.system.subprocesses import tail
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import RunRecord
    from runbook_lib.model.status import Status
    from tests.programs import Programs

TOP = Path(__file__).parents[2]
RUNBOOK = str(Path(sys.executable).with_name("runbook"))
PAPERMILL = str(Path(sys.executable).with_name("papermill"))


def statuses(record: RunRecord, host: str) -> list[str]:
    """Return the status of each of a host's steps."""
    return [str(entry.status) for step in record.steps for entry in step.hosts if entry.host == host]


@dataclass(frozen=True)
class Practice:
    """The lab and the command line, each run in a directory of the test's own."""

    lab: Lab
    runs: Path
    programs: Programs

    def run(self, *arguments: str, inventory: Path | None = None) -> subprocess.CompletedProcess[str]:
        command, left = self.command(*arguments, inventory=inventory), deadline(300)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=TOP, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                out, err = process.communicate(timeout=left)
            except subprocess.TimeoutExpired as problem:
                doing = self._what_hosts_do()
                raise AssertionError(f"{problem}; meanwhile on the hosts:\n{doing}") from problem
            finally:
                process.kill()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def _what_hosts_do(self) -> str:
        """Return the processes and connections of each host, for a run that does not end."""
        script = "ps -eo pid,ppid,etimes,stat,wchan:20,args --sort=etimes | head -n 25; ss -tn 2>/dev/null"
        found = []
        for host in yaml.safe_load(self.lab.inventory.read_text())["hosts"]:
            try:
                found.append(f"{host}:\n{self.on(host, script)}")
            except (AssertionError, subprocess.TimeoutExpired) as problem:
                found.append(f"{host}: {problem}")
        # Whether the package cache waits for a mirror, or apt for the package cache. Removed with the last lab.
        logs = sorted((RUN / service_name()).glob("*.[el]*"))  # its own .log and .err, and output.log
        found += [f"{log.name}: {tail(log, 20)}" for log in logs]
        return "\n".join(found)

    def command(self, *arguments: str, inventory: Path | None = None) -> list[str]:
        parameters = ["-p", "inventory", str(inventory or self.lab.inventory), "-p", "runs", str(self.runs)]
        return [RUNBOOK, "run", *arguments, *parameters]

    def records(self) -> list[RunRecord]:
        found = [read_journal(path.parent) for path in self.runs.glob("*/journal.jsonl")]
        return sorted(found, key=lambda record: record.started)  # names do not order the runs of one second

    def checks_passed(self) -> set[tuple[str, str]]:
        """Return runbook and id of every check that held in some run."""
        return {
            (record.runbook, check.id)
            for record in self.records()
            for step in record.steps
            for host in step.hosts
            for check in host.checks
            if check.holds
        }

    def statuses(self) -> set[Status]:
        """Return the statuses of all steps of all runs on every host."""
        return {host.status for record in self.records() for step in record.steps for host in step.hosts}

    def last(self) -> RunRecord:
        return self.records()[-1]

    def on(self, host: str, script: str) -> str:
        """Run a script on a host directly, without a runbook."""
        command = self.lab.ssh_command(host, [script])
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline(120), check=False)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def wait_for_output(self, host: str, script: str, expected: str) -> None:
        """Wait until a script prints this on a host, which may be out of reach meanwhile."""

        def printed() -> bool:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                return self.on(host, script) == expected
            return False

        wait_until(printed, f"{host}: {script}: {expected}")

    def changed_inventory(self, change: Callable[[dict[str, Any]], None]) -> Path:
        """Return a copy of the lab's inventory with a change made to it."""
        inventory = yaml.safe_load(self.lab.inventory.read_text())
        change(inventory)
        path = self.runs / "inventory.yml"
        path.write_text(yaml.safe_dump(inventory))
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.programs.start(
            self.command(*arguments),
            cwd=TOP,
            # What a killed process leaves behind is removed with the test's directory.
            env={**os.environ, "TMPDIR": str(self.runs)},
        )

    def wait_for(self, event: str, containing: str, seconds: float = 60) -> dict[str, Any]:
        """Return the first event of that name whose text contains a string, in the journal of any run; wait for it."""

        def found() -> dict[str, Any] | None:
            for journal in self.runs.glob("*/journal.jsonl"):
                for entry in read_lines(journal.read_bytes()).entries:
                    if entry["event"] == event and containing in str(entry):
                        return entry
            return None

        return wait_until(found, f"an event {event} with {containing!r}", seconds=seconds)


def signal_and_wait(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal to a process, wait until it exits, and return its output."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=deadline(60))
    return output
