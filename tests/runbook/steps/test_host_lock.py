"""One run at a time changes a host: others wait or are refused, and the lock of a dead run is taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from runbook_lib.process_identity import start_ticks
from runbook_lib.runbook.notebook.parent_process import PARENT_PROCESS
from runbook_lib.runbook.runbook import Runbook
from tests.deadlines import deadline, wait_until
from tests.execution.fleet.killable_run import in_a_child, parameters
from tests.execution.fleet.practice_books import Asleep
from tests.runbook.lock_holders import wait_until_free

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.records import RunRecord
    from tests.connections.sshd import Server
    from tests.programs import Programs

TOP = Path(__file__).parents[3]


class Host:
    """A host, the lock on it, and runs against it."""

    def __init__(self, place: Path, hosts: dict[str, Any], programs: Programs) -> None:
        self.programs = programs
        self.place = place
        self.hosts = hosts
        self.lock = place / "lock"
        self._hold = place / "hold"
        (place / "inventory.yml").write_text(yaml.safe_dump({"hosts": hosts}), encoding="utf-8")

    def hold(self) -> subprocess.Popen[str]:
        """Start a run that changes the host until `release`; return once its command was sent."""
        self._hold.touch()
        process = self.start(self._hold)
        self.wait_for("command_started")
        return process

    def release(self) -> None:
        self._hold.unlink(missing_ok=True)

    def start(
        self,
        held_by: Path | str = "",
        parent: subprocess.Popen[str] | None = None,
        **given: Any,  # noqa: ANN401 - any parameter
    ) -> subprocess.Popen[str]:
        own = {"RUNBOOK_LOCK_FILE": str(self.lock)}
        if parent:
            own[PARENT_PROCESS] = f"{parent.pid}:{start_ticks(parent.pid)}"
        return self.programs.start(
            [
                sys.executable,
                "-m",
                "tests.execution.fleet.lock_holder",
                str(self.place),
                str(held_by),
                json.dumps(given),
            ],
            cwd=TOP,
            env={**os.environ, **own},
            stdout=None,
            stderr=subprocess.PIPE,
        )

    def run(self, **given: Any) -> tuple[int, str]:  # noqa: ANN401 - any parameter
        process = self.start(**given)
        _, said = process.communicate(timeout=deadline(60))
        return process.returncode, said

    def wait_for(self, event: str, runs: int = 1, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any value
        def found() -> list[dict[str, Any]]:
            those = [e for e in self.entries() if e["event"] == event and fields.items() <= e.items()]
            return those if len(those) >= runs else []

        return wait_until(found, f"{runs} {event} {fields}")

    def entries(self) -> list[dict[str, Any]]:
        journals = [read_lines(path.read_bytes()).entries for path in self.place.glob("runs/*/journal.jsonl")]
        return sorted((entry for lines in journals for entry in lines), key=lambda entry: entry["time"])

    def records(self) -> list[RunRecord]:
        found = [read_journal(path) for path in (self.place / "runs").iterdir()]
        return sorted(found, key=lambda record: record.started)

    def wait_until_free(self) -> None:
        wait_until_free(self.lock)


def over_ssh(place: Path, server: Server, programs: Programs) -> Host:
    return Host(
        place, {"host-a": server.host().model_dump(exclude_defaults=True, exclude={"name"})}, programs
    )


BOTH_WAYS = pytest.mark.parametrize("host", ["ssh", "local"], indirect=True)


@pytest.fixture(params=["ssh"])
def host(request: pytest.FixtureRequest, tmp_path: Path, programs: Programs) -> Iterator[Host]:
    """A host over SSH and this machine itself."""
    hosts = {"host-a": {"connection": "local"}}
    if request.param == "ssh":
        server: Server = request.getfixturevalue("server")
        hosts = {"host-a": server.host().model_dump(exclude_defaults=True, exclude={"name"})}
    made = Host(tmp_path, hosts, programs)
    yield made
    made.release()
    programs.end()
    made.wait_until_free()


@BOTH_WAYS
def test_the_second_of_two_applies_is_refused_with_the_lock_owner(host: Host) -> None:
    first = host.hold()
    code, said = host.run()
    (owner,) = host.wait_for("run_started", runbook="10_first")[:1]
    assert code == 1
    assert "another run is changing this host" in said
    assert f"run {owner['run']}" in said
    assert f"{owner['operator']} on {owner['machine']}" in said
    assert "--take-over" in said
    second = host.records()[1]
    assert second.steps[0].hosts[0].commands == []
    assert host.wait_for("lock_answered", outcome="refused")
    host.release()
    assert first.wait(deadline(30)) == 0
    assert host.lock.read_text() == "", "an orderly end empties the file"
    assert host.run()[0] == 0
    assert [entry["outcome"] for entry in host.entries() if entry["event"] == "lock_answered"][-1] == "taken"


def test_the_second_waits_for_the_lock_timeout(host: Host) -> None:
    first = host.hold()
    second = host.start(lock_timeout=600.0)
    (held,) = host.wait_for("lock_answered", outcome="waiting")
    host.release()
    _, said = second.communicate(timeout=deadline(60))
    assert second.returncode == 0, said
    assert first.wait(deadline(30)) == 0
    one, two = host.records()
    assert one.run in held["owner"]
    assert one.ended
    assert two.steps[0].hosts[0].commands[0].started >= one.ended


def test_waiting_ends_at_the_timeout_and_at_an_interrupt(host: Host) -> None:
    host.hold()
    assert "(waited 1 s)" in host.run(lock_timeout=1.0)[1]
    waits = host.start(lock_timeout=600.0)
    host.wait_for("lock_answered", runs=2, outcome="waiting")
    waits.send_signal(signal.SIGINT)
    waits.communicate(timeout=deadline(20))
    assert host.records()[2].status is Status.INTERRUPTED


@BOTH_WAYS
def test_waiting_ends_once_the_parent_process_has_exited(host: Host) -> None:
    """Nobody receives what the run would do later; the lock is free at last, and must not be taken."""
    first = host.hold()
    parent = host.programs.start(["sleep", "600"])
    waits = host.start(lock_timeout=600.0, parent=parent)
    host.wait_for("lock_answered", outcome="waiting")
    parent.kill()
    host.wait_for("runner_gone", runner=parent.pid)
    host.release()
    assert first.wait(deadline(30)) == 0
    waits.communicate(timeout=deadline(20))
    orphan = host.records()[1]
    (on_host,) = orphan.steps[0].hosts
    assert (orphan.status, on_host.commands) == (Status.INTERRUPTED, [])
    why = f"stopped while waiting for the host's lock: the parent process {parent.pid} has exited"
    assert on_host.message.startswith(why)
    outcomes = [entry["outcome"] for entry in host.entries() if entry["event"] == "lock_answered"]
    assert outcomes == ["taken", "waiting"]


@BOTH_WAYS
def test_a_lock_whose_owner_was_killed_is_taken_over_and_that_is_recorded(host: Host) -> None:
    first = host.hold()
    first.kill()
    first.communicate()
    host.wait_until_free()
    code, said = host.run()
    assert code == 0, said
    died, second = host.records()
    change = second.steps[0].hosts[0].changes[0]
    assert change.what == "the lock on this host"
    assert change.before
    assert died.run in change.before
    assert "it exited without releasing the lock" in change.before
    (answer,) = host.wait_for("lock_answered", outcome="taken over")
    assert (answer["forced"], died.run in answer["owner"]) == (False, True)


def test_the_lock_of_a_hung_run_can_be_taken_over_and_both_runs_notice(host: Host) -> None:
    first = host.hold()
    first.send_signal(signal.SIGSTOP)  # to others it looks as if its machine were gone
    assert host.run()[0] == 1
    code, said = host.run(take_over=True)
    assert code == 0, said
    (answer,) = host.wait_for("lock_answered", outcome="taken over")
    assert answer["forced"]
    assert "by force" not in said
    change = host.records()[2].steps[0].hosts[0].changes[0]
    assert "its lock was taken over (take_over)" in str(change.before)
    host.release()
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=deadline(30))
    # Its lock was taken over meanwhile: it acquires the lock again before it changes anything more.
    answers = [e["outcome"] for e in host.entries() if e["event"] == "lock_answered" and e["step"] == 2]
    assert answers == ["taken"]


def test_read_only_modes_acquire_no_lock(host: Host) -> None:
    first = host.hold()
    assert host.run(mode="plan")[0] == 0
    assert host.run(mode="validate")[0] in {0, 1}
    host.release()
    assert first.wait(deadline(30)) == 0
    owners = {entry["owner"] for entry in host.entries() if entry["event"] == "lock_answered"}
    assert owners == {None}


def test_after_a_reconnection_the_lock_is_acquired_again(
    server: Server, tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_LOCK_FILE", str(tmp_path / "lock"))
    host = over_ssh(tmp_path, server, programs)
    assert in_a_child(tmp_path) == 0
    entries = [entry for entry in host.entries() if entry["event"] in {"lock_answered", "lock_released"}]
    first, *again, last = [(e.get("step"), e.get("outcome"), e.get("orderly")) for e in entries]
    assert first == (2, "taken", None)
    # Before the guarded change is confirmed, over a new connection; on a busy machine that one may be lost too.
    assert set(again) == {(3, "taken", None)}
    assert last == (None, None, True)


def test_a_lost_connection_leaves_nothing_on_the_host(host: Host, server: Server) -> None:
    first = host.hold()
    server.cut()
    first.communicate(timeout=deadline(60))
    host.wait_until_free()
    assert host.run()[0] == 0


def test_two_names_of_one_machine_share_the_runs_lock(
    server: Server, tmp_path: Path, programs: Programs
) -> None:
    settings = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    host = Host(tmp_path, {"host-a": settings, "host-b": settings}, programs)
    assert host.run()[0] == 0
    outcomes = sorted(entry["outcome"] for entry in host.entries() if entry["event"] == "lock_answered")
    assert outcomes == ["shared", "taken"]
    host.wait_until_free()


def test_one_connection_serves_a_host_for_the_whole_run(
    server: Server, tmp_path: Path, programs: Programs
) -> None:
    host = over_ssh(tmp_path, server, programs)
    log = server.place / "sshd.log"
    before = log.read_text(encoding="utf-8").count("Accepted publickey")
    assert host.run()[0] == 0
    assert log.read_text(encoding="utf-8").count("Accepted publickey") - before == 1


@pytest.mark.parametrize("at_once", [1, 2])
def test_at_most_at_once_hosts_are_worked_on_in_parallel(
    tmp_path: Path, at_once: int, programs: Programs
) -> None:
    Host(tmp_path, {"host-a": {"connection": "local"}, "host-b": {"connection": "local"}}, programs)
    book = Runbook.open(parameters(tmp_path, at_once=at_once))
    first, second = book.facts("Look", Asleep(0.3)).hosts
    book.close()
    assert first.started
    assert first.ended
    assert second.started
    assert second.ended
    overlap = first.started < second.ended and second.started < first.ended
    assert overlap is (at_once == 2)
