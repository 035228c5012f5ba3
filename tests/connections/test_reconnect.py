"""The journal records every connection to a host, with the host key that was verified."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import paramiko
import yaml

from runbook_lib import Runbook
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.model.commands import Command
from runbook_lib.model.status import Status
from runbook_lib.runbook.notebook.parent_process import ParentProcess
from runbook_lib.runbook.steps.recorder import Recorder
from runbook_lib.secrets import Secrets
from tests.deadlines import wait_until
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connections.sshd import Server


def run_on(server: Server, place: Path) -> Runbook:
    fields = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    (place / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-a": fields}}), encoding="utf-8")
    return Runbook.open(parameters(place))


def connected(book: Runbook) -> list[dict[str, Any]]:
    lines = (book.directory / "journal.jsonl").read_bytes().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == "connected"]


def fingerprint(server: Server) -> str:
    """Return what OpenSSH itself says of the host's key."""
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(server.place / "host.pub")], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()[1]


def open_transports() -> list[paramiko.Transport]:
    transports = [thread for thread in threading.enumerate() if isinstance(thread, paramiko.Transport)]
    assert transports
    return transports


def test_many_steps_share_one_connection(server: Server, tmp_path: Path) -> None:
    book = run_on(server, tmp_path)
    for title in ("First", "Second"):
        assert book.step(title, Does(("true",))).hosts[0].message == ""
    book.close()
    (entry,) = connected(book)
    assert (entry["host"], entry["address"], entry["port"]) == ("host-a", "127.0.0.1", server.port)
    assert (entry["step"], entry["number"]) == (1, 1)
    assert entry["key"] == f"ssh-ed25519 {fingerprint(server)}"


def test_a_new_connection_is_in_the_journal_before_anything_is_sent_over_it(
    server: Server, tmp_path: Path
) -> None:
    """Killed in the middle of the command, the run would not show otherwise which machine has got it."""
    journal, secrets = tmp_path / "journal.jsonl", Secrets()
    recorder = Recorder(
        Journal(journal),
        OutputStore(tmp_path / "output"),
        secrets,
        threading.Event(),
        ParentProcess(),
        OutputBudget(10**6, 10**6),
    )
    connection = SshConnection(server.host(), secrets)
    recorder.send(connection, Command(("true",)), step=1, kind="change", records=[])
    transports = open_transports()
    server.cut()
    wait_until(lambda: not any(transport.is_active() for transport in transports), "the end of connections")
    copy = Command(("cp", str(journal), str(tmp_path / "seen")))
    recorder.send(connection, copy, step=1, kind="change", records=[])
    connection.close()
    events = [json.loads(line) for line in (tmp_path / "seen").read_bytes().splitlines()]
    assert [entry["number"] for entry in events if entry["event"] == "connected"] == [1, 2]


def test_a_reconnection_between_two_steps_is_recorded(server: Server, tmp_path: Path) -> None:
    book = run_on(server, tmp_path)
    book.step("First", Does(("true",)))
    transports = open_transports()
    server.cut()
    wait_until(lambda: not any(transport.is_active() for transport in transports), "the end of connections")
    step = book.step("Second", Does(("true",)))
    book.close()
    assert step.status is Status.CHANGED
    assert step.hosts[0].message == "reconnected (the previous connection was lost)"
    assert [(entry["step"], entry["number"]) for entry in connected(book)] == [(1, 1), (2, 2)]
