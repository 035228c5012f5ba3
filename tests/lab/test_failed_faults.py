"""A fault that fails half-way: what it has changed is repaired, or it stays in the lab's state until it is."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.books.docker.faults import HOST_FAULTS
from runbook_lib.errors import LabError
from runbook_lib.lab.fault_names import FAULTS, parse_fault
from runbook_lib.lab.hosts.container import ContainerHost
from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.paths import locked
from runbook_lib.lab.testing import CONTAINERS
from tests.deadlines import deadline, wait_until
from tests.whole_lab import wait_for_answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]
OWN = "192.168.7.31"


def on(lab: Lab, script: str, host: str = "host-a") -> str:
    """Run a script as root on a host, and return its output."""
    command = lab.ssh_command(host, ["sudo", "sh", "-e"])
    done = subprocess.run(
        command, input=script, check=False, capture_output=True, text=True, timeout=deadline(60)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def strange_bridge(lab: Lab) -> Iterator[Lab]:
    """Return the lab, whose host-a has a bridge br0 without the host's address."""
    on(lab, "ip link add br0 type bridge")
    yield lab
    on(lab, "ip link del br0")


@pytest.fixture
def without_sysctl(lab: Lab) -> Iterator[Lab]:
    """Return the lab, whose host-a has no program sysctl."""
    on(lab, "mv $(command -v sysctl) /root/sysctl; command -v ip >/root/place")
    yield lab
    on(lab, "[ ! -e /root/sysctl ] || mv /root/sysctl $(dirname $(cat /root/place))/; command -v sysctl")
    lab.faults.repair()


def test_a_fault_is_known_until_its_host_is_new(lab: Lab) -> None:
    """The repair of another host fails, as it is off: no host was reset."""
    for host in ("host-a", "host-b"):
        lab.faults.inject(f"boot:{host}")
    with locked(lab.paths.lock):
        lab_host(lab.paths, running_state(lab.paths).topology, "host-a").stop()
    with pytest.raises(LabError, match="could not repair the fault"):
        lab.reset(["host-b"])
    assert lab.status().faults == ["boot:host-a", "boot:host-b"]
    lab.up(["host-a", "host-b"])
    lab.reset(["host-b"])
    assert lab.status().faults == []


def test_a_hidden_power_cut_that_up_has_ended_is_forgotten(lab: Lab) -> None:
    """Otherwise the next one, which is named, would be shown as one that is not."""
    with locked(lab.paths.lock):
        state = running_state(lab.paths)
        lab.faults._inject(parse_fault("power:host-a", state), state, hidden=True)  # noqa: SLF001 - not by chance
    lab.up(["host-a", "host-b"])
    state = running_state(lab.paths)
    assert (state.faults, state.hidden) == ([], [])


def test_what_a_fault_has_changed_before_it_failed_is_repaired(strange_bridge: Lab) -> None:
    """The wrong address is added, then the right one cannot be deleted."""
    with pytest.raises(LabError, match="could not inject the fault"):
        strange_bridge.faults.inject("netmask:host-a")
    assert f"{OWN}/24" not in on(strange_bridge, "ip -4 address show dev br0")
    assert strange_bridge.status().faults == []


def test_a_fault_whose_repair_fails_too_stays_until_it_is_repaired(without_sysctl: Lab) -> None:
    lab = without_sysctl
    with pytest.raises(LabError, match="the repair of forwarding:host-a failed as well") as failed:
        lab.faults.inject("forwarding:host-a")
    assert "runbook lab repair" in str(failed.value)
    assert lab.status().faults == ["forwarding:host-a"]
    lab.faults.inject("gateway:host-b")
    with pytest.raises(LabError, match="could not repair the fault"):
        lab.faults.repair()
    assert on(lab, "ip route show default", "host-b"), "the other fault is repaired nevertheless"
    assert lab.status().faults == ["forwarding:host-a"]
    on(lab, "mv /root/sysctl $(dirname $(cat /root/place))/")
    assert lab.faults.repair() == ["forwarding:host-a"]


def test_a_random_fault_that_stays_in_part_is_named_and_not_followed_by_another(without_sysctl: Lab) -> None:
    state = running_state(without_sysctl.paths)
    others = [name.removesuffix(":HOST") for name in FAULTS if name != "forwarding:HOST"]
    state.faults = [f"{name}:{host}" if name != "cable" else name for name in others for host in state.hosts]
    state.save(without_sysctl.paths)
    try:
        with pytest.raises(LabError, match="the repair of forwarding:host-a failed as well"):
            without_sysctl.faults.inject("random")
        now = running_state(without_sysctl.paths)
        assert set(now.faults) - set(state.faults) == {"forwarding:host-a"}
        assert now.hidden == []
    finally:
        state.faults = ["forwarding:host-a"]
        state.save(without_sysctl.paths)


@pytest.mark.parametrize("fault", ["gateway:host-a", "unplug:host-a"])
def test_a_host_that_is_off_is_not_broken_further(lab: Lab, fault: str) -> None:
    lab.faults.inject("power:host-a")
    with pytest.raises(LabError, match="the host is off"):
        lab.faults.inject(fault)
    assert lab.faults.repair() == ["power:host-a"]


def test_a_host_is_plugged_in_and_switched_on_again(lab: Lab) -> None:
    lab.faults.inject("unplug:host-b")
    lab.faults.inject("power:host-b")
    assert set(lab.faults.repair()) == {"power:host-b", "unplug:host-b"}
    wait_for_answers(lab, *CONTAINERS)


def test_the_host_ends_a_script_that_takes_too_long(lab: Lab) -> None:
    class Impatient(ContainerHost):
        script_timeout = 1.0

    state = running_state(lab.paths)
    host = Impatient(lab.paths, state.topology, state.hosts["host-a"])
    with pytest.raises(LabError, match="a script did not end within 1 s"):
        host.execute("sleep 4711 & sleep 4711")
    wait_until(lambda: not on(lab, "pgrep -f '[s]leep 4711' || true"), "the end of the script")


def network_and_files(lab: Lab) -> str:
    """Say nothing of an IPv6 address whose uniqueness the kernel still checks, seconds after the host has booted."""
    return on(lab, "ip address; ip route; cat /proc/mounts; ls -A /boot").replace(" tentative", "")


@pytest.mark.parametrize("fault", sorted(HOST_FAULTS))
def test_every_repair_succeeds_on_a_host_that_is_whole(lab: Lab, fault: str) -> None:
    """The host has neither Docker nor a bridge: the fault cannot even be made."""
    state = running_state(lab.paths)
    group = HOST_FAULTS[fault].group
    before = network_and_files(lab)
    host = next(host for host in state.hosts if host in state.groups[group])
    state.faults = [f"{fault}:{host}"]
    state.save(lab.paths)
    assert lab.faults.repair() == [f"{fault}:{host}"]
    assert network_and_files(lab) == before
