"""The journal records every connection to a host, with the host key that was verified."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import paramiko
import yaml

from runbook_lib import Runbook
from runbook_lib.model.status import Status
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
