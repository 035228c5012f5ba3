"""What a command that was interrupted, killed or overtaken by a restart has left of a lab, the next `up` completes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.inventory import Inventory
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.state import LabState, running_state
from runbook_lib.lab.status import Started
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.mounts import mounts_below, unmount
from runbook_lib.lab.testing import CONTAINERS
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY
from tests.aftermath import AFTERMATH
from tests.deadlines import deadline
from tests.lab_names import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]
NAME = lab_name("whole")


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    """Return a lab with one host."""
    lab = Lab.open(NAME)
    with AFTERMATH.lab(NAME):
        try:
            lab.up(["host-a"])
            yield lab
        finally:
            lab.down()


def on(lab: Lab, host: str, *command: str) -> int:
    return subprocess.run(lab.ssh_command(host, command), check=False, timeout=deadline(60)).returncode


def forget_host_b(lab: Lab) -> LabState:
    """Make the lab one of host-a only, in which nothing of host-b is left."""
    state = running_state(lab.paths)
    Cgroup(lab.name, "host-b").kill()
    Cgroup(lab.name, "host-b").remove()
    for name in ("host-b.host_ed25519", "host-b.host_ed25519.pub"):
        (lab.paths.ssh / name).unlink(missing_ok=True)
    state.hosts.pop("host-b", None)
    state.groups = {group: [m for m in members if m != "host-b"] for group, members in state.groups.items()}
    state.save(lab.paths)
    return state


def test_a_host_that_was_recorded_but_not_made_is_made(shared: Lab) -> None:
    """As after SIGKILL between the state, which names the host, and its keys."""
    shared.up(CONTAINERS)
    whole = running_state(shared.paths)
    forget_host_b(shared)
    whole.unprepared = ["host-b"]
    whole.save(shared.paths)
    assert shared.up(CONTAINERS) is Started.HOSTS
    assert on(shared, "host-b", "true") == 0


def test_a_host_is_in_the_inventory_before_it_is_waited_for(shared: Lab) -> None:
    forget_host_b(shared)
    shared.up(["host-a"])
    assert "host-b" not in shared.inventory.read_text(encoding="utf-8")
    shared.up(CONTAINERS, wait_for=[])
    assert [host.name for host in Inventory.load(shared.inventory).select("host-b")] == ["host-b"]
    # As after an earlier version's `up` that was interrupted while the host booted.
    text = shared.inventory.read_text(encoding="utf-8")
    shared.inventory.write_text(text.replace("host-b", "host-x"), encoding="utf-8")
    shared.up(CONTAINERS)
    assert shared.inventory.read_text(encoding="utf-8") == text


def test_up_waits_for_a_host_that_is_on_but_allows_no_login(shared: Lab) -> None:
    shared.up(CONTAINERS)
    # The SSH server is back only after a while: an `up` that did not wait would find none.
    timer = "systemd-run --collect --on-active=2 --timer-property=AccuracySec=100ms"
    assert on(shared, "host-a", "sudo", "sh", "-c", f"'systemctl stop ssh; {timer} systemctl start ssh'") == 0
    assert not shared.up(CONTAINERS)
    assert on(shared, "host-a", "true") == 0


def test_up_does_not_wait_for_a_host_whose_cable_is_unplugged(shared: Lab) -> None:
    shared.up(CONTAINERS)
    shared.faults.inject("unplug:host-b")
    try:
        assert not shared.up(CONTAINERS)
    finally:
        shared.faults.repair()


def test_faults_of_a_host_that_a_killed_reset_has_emptied_are_forgotten(shared: Lab) -> None:
    shared.up(CONTAINERS)
    state = running_state(shared.paths)
    state.faults, state.unprepared = ["docker-down:host-a", "cable"], ["host-a"]
    state.save(shared.paths)
    shared.up(["host-a"])
    assert shared.status().faults == ["cable"]
    shared.faults.repair()


def test_after_a_restart_of_the_machine_up_starts_the_hosts_with_their_files(shared: Lab) -> None:
    """Where /run is on a disk, the state says that the lab is up; the kernel knows nothing of it any more."""
    shared.up(CONTAINERS)
    assert on(shared, "host-a", "sh", "-c", "'touch kept; sync'") == 0
    Cgroup(shared.name).kill()
    for target in mounts_below(shared.paths.run):
        unmount(target, "forget the network")
    Cgroup(shared.name).remove()
    with pytest.raises(LabError, match=r"network is gone, as after a restart(?s:.*)runbook lab up"):
        shared.reset()
    assert shared.up(CONTAINERS) is Started.HOSTS
    assert on(shared, "host-a", "test", "-e", "kept") == 0
    assert all(host.answers for host in shared.status().hosts)
    assert all(shared.status().services.values())


def test_an_unfinished_switch_is_made_again(shared: Lab) -> None:
    shared.up(CONTAINERS)
    Cgroup(shared.name).kill()
    unmount(shared.paths.control, "leave half of the network")
    assert shared.up(CONTAINERS) is Started.HOSTS


def test_another_inventory_control_or_group_is_refused(shared: Lab, tmp_path: Path) -> None:
    shared.up(CONTAINERS)
    with pytest.raises(InputError, match="its inventory is"):
        Lab.open(NAME, inventory=tmp_path / "other.yml").up(CONTAINERS)
    text = DEFAULT_TOPOLOGY.read_text(encoding="utf-8")
    for old, new, problem in (
        ("192.168.7.254/20", "192.168.7.253/20", "control differs"),
        ("server: [host-a]", "server: [host-b]", "the group server differs"),
        ("client: [host-b]", "others: [host-b]", "the group client differs; the group others differs"),
    ):
        other = tmp_path / "topology.yml"
        other.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match=problem):
            Lab.open(NAME, other).up(CONTAINERS)


def test_the_release_that_a_running_host_has_is_not_another_one(shared: Lab) -> None:
    shared.up(CONTAINERS)
    assert not shared.up(CONTAINERS, release="debian-12")
    assert not shared.up(CONTAINERS, engine=20)
    with pytest.raises(InputError, match="host-a differs in distribution"):
        shared.up(CONTAINERS, release="debian-13")
