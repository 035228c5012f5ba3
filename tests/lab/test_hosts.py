"""The lab's hosts, checked over SSH; the lab's services and faults."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.errors import InputError, InventoryError, LabError
from runbook_lib.inventory import Inventory
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.testing import CONTAINERS, Machine
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY
from tests.deadlines import deadline, wait_until
from tests.whole_lab import wait_for_answers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab
CAP_SYS_TIME = 25  # linux/capability.h


def on(lab: Lab, host: str, *command: str, user: str = "ops") -> subprocess.CompletedProcess[str]:
    argv = lab.ssh_command(host, command)
    return subprocess.run(
        [*argv[:1], "-l", user, *argv[1:]], check=False, capture_output=True, text=True, timeout=deadline(60)
    )


def pings(lab: Lab, host: str, target: str) -> bool:
    """Return True once an answer came. ping itself gives up at "host unreachable", which may still be right once more
    just after a cable was plugged in."""
    return wait_until(lambda: not is_cut_off(lab, host, target), f"an answer of {target} to {host}")


def is_cut_off(lab: Lab, host: str, target: str) -> bool:
    return on(lab, host, "ping", "-c1", "-w2", target).returncode != 0


def test_a_fresh_host_is_a_booted_debian_without_docker_and_python(lab: Lab) -> None:
    lab.reset(["host-a"])
    assert on(lab, "host-a", "systemctl", "is-system-running", "--wait").stdout.strip() == "running"
    assert "VERSION_CODENAME=bookworm" in on(lab, "host-a", "cat", "/etc/os-release").stdout
    assert on(lab, "host-a", "command -v docker python3").stdout == ""
    assert on(lab, "host-a", "hostname").stdout.strip() == "host-a"


def test_no_user_of_this_machine_can_run_a_program_that_a_hosts_root_has_made_setuid(lab: Lab) -> None:
    made = on(lab, "host-a", "sudo", "install", "-m", "4755", "/usr/bin/id", "/home/ops/id")
    assert made.returncode == 0, made.stderr
    program = lab.paths.host_data("host-a") / "upper" / "home" / "ops" / "id"
    assert program.stat().st_mode & 0o4000
    for path in (program, lab.paths.run / "state.json"):
        argv = ["setpriv", "--reuid", "65534", "--clear-groups", "test", "-e", str(path)]
        assert subprocess.run(argv, check=False).returncode != 0, path
    on(lab, "host-a", "sudo", "rm", "/home/ops/id")


def test_hosts_have_their_addresses_and_reach_each_other_and_control(lab: Lab) -> None:
    assert "192.168.7.31/20" in on(lab, "host-a", "ip", "-brief", "address", "show", "em1").stdout
    assert "UP" in on(lab, "host-a", "ip", "-brief", "link", "show", "em2").stdout
    assert pings(lab, "host-a", "host-b")
    assert pings(lab, "host-b", "control")


def test_no_host_can_move_the_clock_of_this_machine(lab: Lab) -> None:
    (bounds,) = re.findall(r"CapBnd:\s+(\w+)", on(lab, "host-a", "cat", "/proc/1/status").stdout)
    assert int(bounds, 16) >> CAP_SYS_TIME & 1 == 0
    before = time.time() - time.monotonic()
    try:
        on(lab, "host-a", "sudo", "timedatectl", "set-timezone", "Europe/Vienna")
        assert time.time() - time.monotonic() == pytest.approx(before, abs=60)
    finally:
        on(lab, "host-a", "sudo", "timedatectl", "set-timezone", "Etc/UTC")


def test_ops_has_sudo_and_guest_does_not(lab: Lab) -> None:
    assert on(lab, "host-a", "sudo", "-n", "id", "-un").stdout.strip() == "root"
    refused = on(lab, "host-a", "sudo", "-n", "id", "-un", user="guest")
    assert refused.returncode != 0
    assert on(lab, "host-a", "id", "-un", user="guest").stdout.strip() == "guest"


def test_the_labs_network_is_not_visible_in_this_machines_own(lab: Lab) -> None:
    machine = Machine.snapshot(lab.name)
    assert not [address for address in machine.addresses if address.startswith("192.168.7.")]
    assert not [link for link in machine.links if "host-a" in link or "em1" in link]


def test_the_inventory_can_be_loaded(lab: Lab) -> None:
    inventory = Inventory.load(lab.inventory)
    assert [host.name for host in inventory.select("docker")] == ["host-a", "host-b"]
    host = inventory.select("server")[0]
    assert (host.lab, host.kind, host.address, host["fixed_cidr"]) == (
        lab.name,
        "container",
        "192.168.7.31",
        "192.168.8.0/24",
    )


def test_a_socket_opened_in_the_control_namespace_reaches_a_host(lab: Lab) -> None:
    with open_socket(str(lab.paths.control), "192.168.7.32", 22, 5.0) as connection:
        assert connection.recv(4) == b"SSH-"
    with pytest.raises(ConnectionRefusedError):
        open_socket(str(lab.paths.control), "192.168.7.32", 1, 5.0)
    with pytest.raises(FileNotFoundError):
        open_socket("/run/no-such-namespace", "192.168.7.32", 22, 5.0)


def test_a_reboot_keeps_files_and_removes_bridges(lab: Lab) -> None:
    on(lab, "host-a", "echo kept > kept; sudo brctl addbr br9")
    before = on(lab, "host-a", "cat", "/proc/sys/kernel/random/boot_id").stdout
    on(lab, "host-a", "sudo", "reboot")
    lab.wait_for_reboot("host-a", before.strip())
    assert on(lab, "host-a", "cat", "kept").stdout == "kept\n"
    assert on(lab, "host-a", "ip", "link", "show", "br9").returncode != 0
    assert on(lab, "host-a", "cat", "/proc/sys/kernel/random/boot_id").stdout != before
    assert pings(lab, "host-a", "host-b")


def test_reset_gives_a_new_machine_under_the_same_key(lab: Lab) -> None:
    on(lab, "host-b", "touch", "gone")
    identity = on(lab, "host-b", "cat", "/etc/machine-id").stdout
    lab.reset(["host-b"])
    assert on(lab, "host-b", "test", "-e", "gone").returncode == 1
    assert on(lab, "host-b", "cat", "/etc/machine-id").stdout != identity


def test_a_powered_off_host_is_started_by_the_next_up(lab: Lab) -> None:
    on(lab, "host-b", "sudo", "poweroff")
    lab.wait_for_power_off("host-b")
    assert {host.name: host.running for host in lab.status().hosts} == {"host-a": True, "host-b": False}
    assert lab.up(CONTAINERS)
    wait_for_answers(lab, *CONTAINERS)


def test_the_next_up_restores_dead_services_and_a_lost_inventory(lab: Lab) -> None:
    assert lab.status().services == {"packages": True, "registry": True}
    text = lab.inventory.read_text(encoding="utf-8")
    Cgroup(lab.name, "_control").kill()
    lab.inventory.unlink()
    assert lab.status().services == {"packages": False, "registry": False}
    assert not lab.up(CONTAINERS)
    assert lab.status().services == {"packages": True, "registry": True}
    assert lab.inventory.read_text(encoding="utf-8") == text


def test_the_registry_serves_the_chapters_images(lab: Lab) -> None:
    request = b"GET /v2/_catalog HTTP/1.0\r\n\r\n"
    with open_socket(str(lab.paths.control), "192.168.7.254", 5000, 5.0) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").read().decode()
    assert '["runbook/ambassador","runbook/redis-cli","runbook/redis-server"]' in answer


def test_another_topology_under_the_same_name_is_refused(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "topology.yml"
    text = DEFAULT_TOPOLOGY.read_text(encoding="utf-8").replace("192.168.7.32/20", "192.168.7.33/20")
    other.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="host-b differs"):
        Lab.open(lab.name, other).up(CONTAINERS)


def test_a_broken_cable_separates_the_hosts_but_not_control(lab: Lab) -> None:
    lab.faults.inject("cable")
    assert is_cut_off(lab, "host-a", "host-b")
    assert pings(lab, "host-a", "control")
    assert pings(lab, "host-b", "control")
    lab.restart("host-a")
    assert is_cut_off(lab, "host-a", "host-b")
    assert lab.faults.repair() == ["cable"]
    assert pings(lab, "host-a", "host-b")


def test_an_unplugged_host_cannot_be_reached_until_repaired(lab: Lab) -> None:
    lab.faults.inject("unplug:host-b")
    wait_for_answers(lab, "host-a")
    lab.faults.repair()
    assert pings(lab, "host-a", "host-b")


def test_a_fault_that_could_not_be_injected_is_not_recorded(lab: Lab) -> None:
    lab.reset(["host-a"])
    with pytest.raises(LabError, match="could not stop the Docker engine"):
        lab.faults.inject("docker-down:host-a")
    assert lab.status().faults == []


def test_a_random_fault_is_named_only_when_it_is_repaired(lab: Lab) -> None:
    injected = lab.faults.inject("random")
    assert lab.status().faults == ["one that is not named"]
    assert lab.faults.describe(injected)
    assert lab.faults.repair() == [injected]
    assert lab.status().faults == []


def test_a_fault_of_a_drill_is_injected_and_repaired(lab: Lab) -> None:
    def route() -> str:
        command = lab.ssh_command("host-a", ["ip", "route", "show", "default"])
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    before = route()
    assert lab.faults.inject("gateway") == "gateway:host-a"
    assert before
    assert not route()
    with pytest.raises(LabError, match="redis-server"):
        lab.faults.inject("redis-stopped:host-a")
    assert lab.faults.repair() == ["gateway:host-a"]
    assert route().split()[:3] == before.split()[:3]


@pytest.mark.parametrize("fault", ["redis-stoped", "variable:host-a", "duplicate-address:host-a"])
def test_a_fault_of_another_host_is_refused_with_what_is_meant(lab: Lab, fault: str) -> None:
    with pytest.raises(InputError) as refused:
        lab.faults.inject(fault)
    assert ("did you mean redis-stopped" if fault == "redis-stoped" else "hosts that can: host-b") in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("cabel", "unknown fault 'cabel'"),
        ("cable:host-a", "has no host"),
        ("unplug", "names no host"),
        ("unplug:host-c", "unknown host 'host-c'"),
    ],
)
def test_an_unknown_fault_is_refused(lab: Lab, fault: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        lab.faults.inject(fault)
    assert lab.status().faults == []


def test_an_unknown_host_is_refused(lab: Lab) -> None:
    with pytest.raises(InventoryError, match="unknown host 'host-c'"):
        lab.reset(["host-c"])
