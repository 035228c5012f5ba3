"""The riskiest step moves the host's address to the bridge: after any failure the host can be reached again."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.scenarios.practice import Practice, signal_and_wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.model.records import HostRecord

pytestmark = [pytest.mark.lab, pytest.mark.scenario]

BRIDGE_REVERTS_AFTER = 20.0
WRONG_GATEWAY = ("-p", "gateway", "192.168.7.253")
BRIDGE = ("30_bridge_br0", "--hosts", "host-a", "-p", "revert_after", str(BRIDGE_REVERTS_AFTER))
_NETWORK_STATE = (
    "cat /etc/network/interfaces; ip -br -4 address; ip route; "
    "sudo ls /var/lib/runbook/network 2>/dev/null || true"
)


def host_record(practice: Practice) -> HostRecord:
    return practice.last().steps[0].hosts[0]


_HOOK = "/etc/network/if-up.d/held-by-the-test"
_HOLD = f"""cat <<'EOF' | sudo tee {_HOOK} >/dev/null; sudo chmod +x {_HOOK}
#!/bin/sh
[ "$IFACE" = br0 ] || exit 0
touch /run/held
until [ -e /run/released ]; do sleep 0.1; done
EOF
"""


@pytest.fixture
def held(fresh: Practice) -> Iterator[Practice]:
    """Return a host on which the change of the network waits in the middle: no run is quick enough to confirm it."""
    fresh.on("host-a", _HOLD)
    yield fresh
    fresh.lab.faults.repair()
    release(fresh)
    fresh.on("host-a", f"sudo rm -f {_HOOK} /run/held /run/released")


def wait_until_held(practice: Practice) -> None:
    practice.wait_for_output("host-a", "ls /run/held", "/run/held\n")


def release(practice: Practice) -> None:
    practice.on("host-a", "sudo touch /run/released")


@pytest.fixture(autouse=True)
def no_bridge(fresh: Practice) -> None:
    """Take away the bridge that a test before has left."""
    if "br0" in fresh.on("host-a", "ip -br link"):
        fresh.lab.reset(["host-a"])


def test_wrong_gateway_is_reverted_and_reported(fresh: Practice) -> None:
    before = fresh.on("host-a", _NETWORK_STATE)
    assert fresh.run(*BRIDGE, *WRONG_GATEWAY).returncode == 1
    assert fresh.on("host-a", _NETWORK_STATE) == before
    assert (
        "ping to the gateway 192.168.7.253: expected a reply, observed no reply" in host_record(fresh).message
    )
    back = next(check for check in host_record(fresh).checks if check.name == "the old state is restored")
    assert back.holds


def test_unreachable_host_reverts_by_its_own_timer(held: Practice) -> None:
    before = held.on("host-a", _NETWORK_STATE)
    process = held.start(*BRIDGE)
    pid = held.wait_for("run_started", "30_bridge")["pid"]
    wait_until_held(held)
    os.kill(pid, signal.SIGSTOP)  # the run, which would confirm
    release(held)
    held.lab.faults.inject("unplug:host-a")  # no command reaches the host until its timer has fired
    os.kill(pid, signal.SIGCONT)
    time.sleep(BRIDGE_REVERTS_AFTER + 5)
    held.lab.faults.repair()
    output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 1, output
    assert held.on("host-a", _NETWORK_STATE) == before
    assert "the change was rolled back" in host_record(held).message
    assert held.last().incomplete == ""


def test_another_address_than_the_file_has_is_refused_before_anything_is_changed(fresh: Practice) -> None:
    inventory = fresh.changed_inventory(
        lambda data: data["hosts"]["host-a"]["variables"].update(bridge_address="192.168.7.99/20")
    )
    assert fresh.run(*BRIDGE, inventory=inventory).returncode == 1
    assert "'address 192.168.7.31/20'" in host_record(fresh).message
    assert all(command.kind == "fact" for command in host_record(fresh).commands)


def test_wrong_interface_is_refused_before_anything_is_changed(fresh: Practice) -> None:
    assert fresh.run(*BRIDGE, "-p", "card", "em2").returncode == 1
    assert "192.168.7.31/20 is on em1, not on em2" in host_record(fresh).message
    assert all(command.kind == "fact" for command in host_record(fresh).commands)


def test_missing_interface_is_refused_with_the_existing_names(fresh: Practice) -> None:
    assert fresh.run(*BRIDGE, "-p", "card", "em7").returncode == 1
    assert "interfaces are: lo, em1, em2" in host_record(fresh).message


def test_bridge_with_other_ports_is_refused(fresh: Practice) -> None:
    fresh.on("host-a", "sudo ip link add br0 type bridge; sudo ip link set em2 master br0")
    try:
        assert fresh.run(*BRIDGE).returncode == 1
        assert "br0 exists with other ports: em2" in host_record(fresh).message
    finally:
        fresh.on("host-a", "sudo ip link set em2 nomaster; sudo ip link delete br0")


def test_interrupt_before_the_confirmation_leaves_the_old_network(fresh: Practice) -> None:
    before = fresh.on("host-a", _NETWORK_STATE)
    # The checks take some seconds until they have failed: nothing is confirmed before the signal arrives.
    process = fresh.start(*BRIDGE, *WRONG_GATEWAY)
    fresh.wait_for("command_started", "apply.sh /var")
    signal_and_wait(process, signal.SIGINT)
    assert process.returncode == 4
    assert fresh.last().status is Status.INTERRUPTED
    assert "the host rolls it back within 20 s" in host_record(fresh).message
    fresh.wait_for_output("host-a", _NETWORK_STATE, before)


def test_host_that_reboots_before_the_confirmation_has_the_old_network(fresh: Practice) -> None:
    before = fresh.on("host-a", "cat /etc/network/interfaces")
    process = fresh.start(*BRIDGE[:-1], "120.0", *WRONG_GATEWAY)
    change = fresh.wait_for("command_started", "apply.sh /var")["command"]
    fresh.wait_for("command_ended", f"'command': {change},")
    os.kill(
        fresh.wait_for("run_started", "30_bridge")["pid"], signal.SIGKILL
    )  # a forked kernel may end with its runner
    process.kill()
    process.communicate(timeout=deadline(60))
    time.sleep(3)
    assert "br0" in fresh.on("host-a", "cat /etc/network/interfaces")
    fresh.lab.restart("host-a")
    assert fresh.on("host-a", "cat /etc/network/interfaces") == before


def test_correct_change_is_confirmed_and_persists_over_a_reboot(fresh: Practice) -> None:
    done = fresh.run(*BRIDGE)
    assert host_record(fresh).status is Status.CHANGED, done.stdout
    time.sleep(25)
    assert "br0" in fresh.on("host-a", "ip -br -4 address")
    fresh.lab.restart("host-a")
    assert "br0" in fresh.on("host-a", "ip -br -4 address")


@pytest.mark.kills
def test_run_killed_during_the_change_is_resumed_after_the_host_has_reverted(
    fresh: Practice, held: Practice
) -> None:
    """The resumed run fails later, at a step that needs Docker, which is not installed."""
    process = fresh.start(*BRIDGE)
    pid = fresh.wait_for("run_started", "30_bridge")["pid"]
    wait_until_held(held)
    os.kill(pid, signal.SIGKILL)  # before anybody confirms
    release(held)
    process.communicate(timeout=deadline(60))
    killed = fresh.last()
    assert killed.status is Status.UNKNOWN
    assert fresh.run("--resume", "last").returncode == 1
    resumed = fresh.last()
    assert resumed.resumes == killed.run
    record = host_record(fresh)
    assert record.status is Status.CHANGED
    assert record.attempt > 1, "it did not accept the bridge that the host was about to remove"
    lock = next(change for change in record.changes if change.what == "the lock on this host")
    assert killed.run in str(lock.before)
    lock_file = os.environ["RUNBOOK_LOCK_FILE"]
    left = fresh.on("host-a", f"ip -br -4 address show br0; sudo ls /var/lib/runbook; sudo cat {lock_file}")
    assert "192.168.7.31/20" in left
    assert "network" not in left
    assert killed.run not in left
    assert resumed.run not in left
