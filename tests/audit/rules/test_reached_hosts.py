"""The rule that compares how hosts were reached with the inventory: each way in which they can differ."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.audit.rules.policy import Policy, SelectedRule, scan
from runbook_lib.audit.rules.reached_hosts import read_reached
from runbook_lib.audit.rules.runs import HostOutsideInventory
from runbook_lib.evidence.layout import RUN_MIME
from tests.audit.altering import forge_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.audit.rules.base import Finding

Data = dict[str, Any]
KEY = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"k" * 36).decode()
PRINT = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(KEY)).digest()).decode().rstrip("=")
SSH = {"connection": "ssh", "address": "10.0.0.1", "user": "ops", "port": 22}
CONNECTED = {
    "event": "connected",
    "step": 1,
    "host": "host-a",
    "address": "10.0.0.1",
    "port": 22,
    "number": 1,
}


@pytest.fixture
def find(evidence: Path, tmp_path: Path) -> Callable[..., list[Finding]]:
    """Scan one run, whose journal was changed, by an inventory with these lines for `host-a`."""
    (source,) = sorted((evidence / "runs").glob("*"))[1:2]

    def find(endpoint: Data | None, host_a: str, *connections: Data) -> list[Finding]:
        def change(entries: list[Data]) -> None:
            if endpoint is None:
                del entries[0]["endpoints"]["host-a"]
            else:
                entries[0]["endpoints"]["host-a"] = endpoint
            started = next(number for number, entry in enumerate(entries) if entry["event"] == "step_started")
            time = {name: entries[started][name] for name in ("time", "seal")}
            entries[started + 1 : started + 1] = [{**entry, **time} for entry in connections]

        top = tmp_path / "archive"
        shutil.copytree(source, top / source.name)
        forge_journal(top / source.name, change)
        known = tmp_path / "known_hosts"
        known.write_text(f"10.0.0.1,[10.0.0.1]:2222 ssh-ed25519 {KEY}\n")
        inventory = tmp_path / "inventory.yml"
        lines = host_a.replace("KNOWN", str(known))
        inventory.write_text(f"hosts:\n  host-a: {{{lines}}}\n  host-b: {{connection: local}}\n")
        rule = HostOutsideInventory(inventory=str(inventory))
        archive = Archive(top, cache=tmp_path / "cache")
        return scan(archive, Policy([SelectedRule("host-outside-inventory", rule)])).findings

    return find


ASKED = "connection: ssh, address: 10.0.0.1, user: ops"


@pytest.mark.parametrize(
    ("endpoint", "host_a", "details"),
    [
        (SSH, ASKED, []),
        ({**SSH, "connection": "local"}, ASKED, ["connection"]),
        ({**SSH, "address": "10.0.0.9"}, ASKED, ["address"]),
        ({"connection": "ssh", "user": "ops", "port": 22}, ASKED, ["address"]),
        ({**SSH, "user": "root"}, ASKED, ["user"]),
        ({**SSH, "port": 2222}, ASKED, ["port"]),
        (SSH, f"{ASKED}, port: 2222", ["port"]),
        ({**SSH, "proxy_command": "nc %h %p"}, ASKED, ["proxy_command"]),
        (SSH, f"{ASKED}, proxy_command: ssh -W x bastion", ["proxy_command"]),
        ({**SSH, "network_namespace": "/run/netns/x"}, ASKED, ["network_namespace"]),
        (SSH, f"{ASKED}, acts_on: switch-1", ["acts_on"]),
        ({**SSH, "connection": "local", "user": "root"}, ASKED, ["connection", "user"]),
        (None, ASKED, ["endpoint"]),
    ],
)
def test_each_difference_from_the_inventory_is_found(
    find: Callable[..., list[Finding]], endpoint: Data | None, host_a: str, details: list[str]
) -> None:
    found = find(endpoint, host_a, {**CONNECTED, "key": f"ssh-ed25519 {PRINT}"})
    assert [(finding.host, finding.detail) for finding in found] == [("host-a", detail) for detail in details]


def test_another_host_key_than_the_inventory_knows_is_found(find: Callable[..., list[Finding]]) -> None:
    wrong = {**CONNECTED, "key": "ssh-ed25519 SHA256:AAAA"}
    (finding,) = find(
        SSH, f"{ASKED}, known_hosts: KNOWN", wrong, {**CONNECTED, "key": f"ssh-ed25519 {PRINT}"}
    )
    assert finding.detail == "key"
    assert "ssh-ed25519 SHA256:AAAA" in finding.message


def test_the_right_host_key_is_no_finding(find: Callable[..., list[Finding]]) -> None:
    assert find(SSH, f"{ASKED}, known_hosts: KNOWN", {**CONNECTED, "key": f"ssh-ed25519 {PRINT}"}) == []


def test_a_known_hosts_file_that_is_missing_is_a_finding(find: Callable[..., list[Finding]]) -> None:
    connection = {**CONNECTED, "key": f"ssh-ed25519 {PRINT}"}
    (finding,) = find(SSH, f"{ASKED}, known_hosts: /nowhere/known_hosts", connection)
    assert "the key of host-a cannot be compared" in finding.message


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (SSH, "no connection to it was recorded"),
        ({"connection": "local", "address": "10.0.0.1", "port": 22}, "10.0.0.1 was not contacted"),
    ],
)
def test_results_of_a_host_with_an_address_and_no_connection_are_found(
    find: Callable[..., list[Finding]], endpoint: Data, message: str
) -> None:
    host_a = ", ".join(f"{name}: {value}" for name, value in endpoint.items())
    (finding,) = find(endpoint, host_a)
    assert message in finding.message


def test_the_newest_run_of_a_notebook_that_was_opened_twice_is_compared(
    evidence: Path, tmp_path: Path
) -> None:
    content = json.loads((evidence / "loose" / "out.ipynb").read_bytes())
    cell, start = next(
        (cell, output["data"][RUN_MIME])
        for cell in content["cells"]
        for output in cell["outputs"]
        if output["data"].get(RUN_MIME, {}).get("event") == "opened"
    )
    start["endpoints"] = {"host-a": {**SSH, "address": "6.6.6.6"}}
    older = {**start, "run": "20200101T000000Z_10_practice_000000", "started": "2020-01-01T00:00:00Z"}
    older["endpoints"] = {"host-a": SSH}
    for number, other in enumerate((older, {**older, "run": "later", "started": "2019-01-01T00:00:00Z"})):
        output = {"output_type": "display_data", "metadata": {}, "data": {RUN_MIME: other}}
        cell["outputs"].insert(number * len(cell["outputs"]), output)
    (tmp_path / "out.ipynb").write_text(json.dumps(content), encoding="utf-8")
    reached = read_reached(LocalLocation(tmp_path), start["run"], "out.ipynb", "notebook")
    assert reached.endpoints["host-a"]["address"] == "6.6.6.6"
