"""Every network stack and everything that may go wrong in the middle: each host is as before, at its old address.

`make test-networks` runs it and prints the table.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.chain import read_lines
from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.scenarios.networks.hosts import RELEASES, STACKS, STATE, Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.model.records import HostRecord
    from tests.programs import Programs

pytestmark = [
    pytest.mark.lab,
    pytest.mark.networks,
    pytest.mark.in_order,
    pytest.mark.parametrize("release", RELEASES, indirect=True, scope="module"),
]

TOP = Path(__file__).parents[3]
TIMER = 12.0
_TABLE: dict[str, dict[str, dict[str, str]]] = {}
"""Release -> case -> host -> seconds."""
_DAEMONS = {
    "ifupdown": "networking",
    "networkd": "systemd-networkd",
    "netplan": "systemd-networkd",
    "netplan-nm": "NetworkManager",
    "nm": "NetworkManager",
}


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    lines = []
    cells = back_again = 0
    for release, rows in _TABLE.items():
        lines += ["", f"{release:20}" + "".join(f"{host:>14}" for host in STACKS)]
        for case, row in rows.items():
            lines.append(f"{case:20}" + "".join(f"{row.get(host, 'LOST'):>14}" for host in STACKS))
            cells += len(STACKS)
            back_again += len(row)
    lines.append(f"{cells} cells, {cells - back_again} lost hosts")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write("\n".join(lines) + "\n")


def back(networks: Networks, case: str, harm: Callable[[str], None]) -> None:
    """Do harm to every host, side by side, and fill a row of the table: seconds until each was as before."""
    row = _TABLE.setdefault(networks.release, {}).setdefault(case, {})

    def cell(host: str) -> None:
        before = networks.on(host, STATE)
        begin = time.monotonic()
        try:
            harm(host)
        finally:  # whether the host is lost is not a question of what else was expected
            networks.wait_for_state(host, before, seconds=120)
            row[host] = f"{time.monotonic() - begin:.1f} s"

    with ThreadPoolExecutor(len(STACKS)) as pool:
        problems = [done.exception() for done in [pool.submit(cell, host) for host in STACKS]]
    for host in STACKS:
        if host not in row:
            networks.lab.reset([host])  # the next row has a host again
    assert not any(problems), problems


def test_a_change_that_nobody_confirms(networks: Networks) -> None:
    networks.enrich()
    back(networks, "never confirmed", lambda host: networks.change_without_confirming(host, TIMER))


def test_a_timer_that_does_not_depend_on_the_clock(networks: Networks) -> None:
    """The hosts share this machine's clock, so none is moved: the timer must have no calendar time at all."""

    def harm(host: str) -> None:
        # Longer under load: the host is asked while the timer runs.
        networks.change_without_confirming(host, deadline(TIMER))
        show = "systemctl show --property=TimersCalendar,TimersMonotonic 'runbook-network-revert-*.timer'"
        shown = networks.on(host, show, check=False)  # over the address on the bridge
        assert "OnActiveUSec" in shown, f"{host}: {shown}"
        assert "OnCalendar" not in shown, host

    back(networks, "clock moved", harm)


@pytest.mark.parametrize(
    ("case", "wanted", "message"),
    [
        ("wrong gateway", {"gateway": "192.168.7.253"}, "the change was rolled back"),
        ("wrong port", {"port": "em2"}, "is on em1, not on em2"),
        ("another's address", {"address": "192.168.7.99/20"}, "can be neither kept nor moved"),
    ],
)
def test_a_change_with_a_wrong_value(
    networks: Networks, case: str, wanted: dict[str, str], message: str
) -> None:
    records: dict[str, HostRecord] = {}
    applied = threading.Lock()

    def harm(host: str) -> None:
        with applied:  # the first thread makes one run for all hosts
            if not records:
                records.update(networks.apply(wanted=lambda _: wanted))
        assert records[host].status is Status.FAILED, host
        assert message in records[host].message, f"{host}: {records[host].message}"

    back(networks, case, harm)


def test_a_cable_that_is_out_when_the_timer_fires(networks: Networks) -> None:
    def plug_in() -> None:
        networks.lab.faults.repair()

    plugged_in = threading.Barrier(len(STACKS), action=plug_in)

    def harm(host: str) -> None:
        networks.change_without_confirming(host, TIMER)
        networks.lab.faults.inject(f"unplug:{host}")
        time.sleep(TIMER + 5)
        plugged_in.wait(timeout=deadline(120))

    try:
        back(networks, "cable out", harm)
    finally:
        networks.lab.faults.repair()


def test_a_reboot_before_the_confirmation(networks: Networks) -> None:
    def harm(host: str) -> None:
        networks.change_without_confirming(host, 600.0)
        networks.on(host, "systemctl reboot", check=False)
        time.sleep(1)

    back(networks, "reboot", harm)


def test_a_power_cut_before_the_confirmation(networks: Networks) -> None:
    def harm(host: str) -> None:
        networks.change_without_confirming(host, 600.0)
        networks.lab.restart(host)

    back(networks, "power cut", harm)


def test_a_restart_of_the_network_daemon(networks: Networks) -> None:
    def harm(host: str) -> None:
        networks.change_without_confirming(host, TIMER)
        networks.on(host, f"systemd-run --quiet systemctl restart {_DAEMONS[host]}", check=False)

    back(networks, "daemon restart", harm)


def test_a_runner_that_is_killed_between_change_and_confirmation(
    networks: Networks, programs: Programs
) -> None:
    """A gateway that does not answer gives the time to kill: the checks are read again for some seconds."""

    def harm(host: str) -> None:
        folder = networks.folder / f"killed-{host}"
        folder.mkdir()
        process = programs.start(
            [sys.executable, "-m", "tests.scenarios.networks.hosts", networks.lab.name, str(folder), host],
            cwd=TOP,
            env={**os.environ, "TMPDIR": str(folder)},
        )

        def changed() -> bool:
            journals = list(folder.rglob("journal.jsonl"))
            entries = read_lines(journals[0].read_bytes()).entries if journals else []
            begun = [entry["command"] for entry in entries if entry.get("kind") == "change"]
            return any(entry["event"] == "command_ended" and entry["command"] in begun for entry in entries)

        wait_until(changed, f"{host}: the end of the change", seconds=60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=deadline(60))

    back(networks, "runner killed", harm)
