"""VMs: a kernel and a boot loader of their own, real reboots, power cuts; as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.inventory import Inventory
from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.hosts.vm_disk import system_disk
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.state import LabState
from runbook_lib.lab.switch import mac_address
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import LabPaths, cache_directory
from runbook_lib.lab.testing import Machine, reason_to_skip, running_lab
from tests.deadlines import deadline, wait_until
from tests.lab_names import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.usefixtures("can_have_vm")]
NAME = lab_name("vm")
USER = 65534
USERS_LAB = lab_name("user")
_COMMAND = [sys.executable, "-c", "from runbook_lib.cli.main import main; main()", "lab"]


@pytest.fixture(scope="module")
def can_have_vm() -> None:
    reason = reason_to_skip("vm")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def vm(can_have_vm: None) -> Iterator[Lab]:  # noqa: ARG001 - asked for by name
    with running_lab(NAME, hosts=["cloud"]) as lab:
        yield lab


def on(lab: Lab, *command: str) -> str:
    argv = lab.ssh_command("cloud", command)
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, timeout=deadline(120)
    ).stdout.strip()


def boot_id(lab: Lab) -> str:
    return on(lab, "cat", "/proc/sys/kernel/random/boot_id")


def console(lab: Lab) -> str:
    return lab.status().hosts[0].console


def wait_for_console(lab: Lab, text: str, seconds: float) -> None:
    wait_until(
        lambda: text in Path(console(lab)).read_text(encoding="utf-8", errors="replace"),
        repr(text),
        seconds=seconds,
    )


def test_a_vm_runs_the_old_kernel_and_was_started_by_grub(vm: Lab) -> None:
    assert on(vm, "uname", "-r").startswith("6.1.")
    assert on(vm, "hostname") == "cloud"
    assert on(vm, "systemctl", "is-system-running", "--wait") == "running"
    assert on(vm, "ls /boot/vmlinuz-* | wc -l") == "1"
    assert "BOOT_IMAGE=/boot/vmlinuz-6.1." in on(vm, "cat", "/proc/cmdline")
    assert on(vm, "sudo", "-n", "id", "-un") == "root"
    assert "192.168.7.30/20" in on(vm, "ip", "-brief", "address", "show", "em1")
    text = Path(console(vm)).read_text(encoding="utf-8", errors="replace")
    assert "GNU GRUB" in text
    assert "cloud login:" in text


def test_a_vm_gets_packages_and_images_from_the_lab_and_can_reach_nothing_else(vm: Lab) -> None:
    source = on(vm, "cat", "/etc/apt/sources.list").split()[1]
    ask = "exec 3<>/dev/tcp/192.168.7.254/{}; printf 'GET {} HTTP/1.0\\r\\n\\r\\n' >&3; head -c 12 <&3"
    release = ask.format(3142, f"{source}dists/bookworm/Release")
    assert on(vm, "bash", "-c", f'"{release}"').endswith(" 200")
    if "registry" in vm.status().services:
        assert on(vm, "bash", "-c", f'"{ask.format(5000, "/v2/")}"').endswith(" 200")
    for outside in ("192.168.7.254/22", "192.168.0.2/22", "1.1.1.1/53"):
        assert (
            on(vm, f"timeout 5 bash -c 'true </dev/tcp/{outside}' 2>/dev/null || echo refused") == "refused"
        )


def test_the_inventory_has_the_address_of_the_vm(vm: Lab) -> None:
    host = Inventory.load(vm.inventory).select("cloud")[0]
    assert (host.kind, host.address, host.port) == ("vm", "192.168.7.30", 22)
    assert host.network_namespace == str(vm.paths.control)
    assert "192.168.7.30 " in Path(host.known_hosts or "").read_text(encoding="ascii")


def test_a_reboot_keeps_the_qemu_process(vm: Lab) -> None:
    before, machine = boot_id(vm), Cgroup(NAME, "cloud").processes()
    on(vm, "echo kept >kept; sudo systemd-run --on-active=1 --timer-property=AccuracySec=100ms reboot")
    vm.wait_for_reboot("cloud", before)
    assert boot_id(vm) != before
    assert on(vm, "cat", "kept") == "kept"
    assert machine & Cgroup(NAME, "cloud").processes() == machine


def test_a_power_cut_loses_what_was_not_flushed_and_repair_starts_the_host(vm: Lab) -> None:
    before = boot_id(vm)
    on(vm, "echo flushed >flushed; sync flushed; echo not >not-flushed")
    vm.faults.inject("power:cloud")
    status = vm.status()
    assert (status.hosts[0].running, status.hosts[0].answers, status.faults) == (
        False,
        False,
        ["power:cloud"],
    )
    assert vm.faults.repair() == ["power:cloud"]
    assert boot_id(vm) != before
    assert on(vm, "cat", "flushed") == "flushed"
    assert on(vm, "cat not-flushed 2>&1 || true") != "not"


def test_a_panic_is_on_the_console_and_a_reset_gives_a_new_machine(vm: Lab) -> None:
    on(vm, "touch", "gone")
    identity = on(vm, "cat", "/etc/machine-id")
    on(
        vm,
        "sudo systemd-run --on-active=1 --timer-property=AccuracySec=100ms sh -c 'echo c >/proc/sysrq-trigger'",
    )
    wait_for_console(vm, "Kernel panic - not syncing: sysrq triggered crash", 30)
    assert not vm.status().hosts[0].answers
    vm.reset()
    assert on(vm, "test -e gone || echo new") == "new"
    assert on(vm, "cat", "/etc/machine-id") != identity


def test_a_vm_is_on_the_physical_network_of_the_other_hosts(vm: Lab) -> None:
    vm.up(["host-a"])
    ping = ("ping", "-c1", "-w5", "192.168.7.31")
    on(vm, "sudo", *ping)
    cache = "cat /proc/net/arp"
    assert mac_address(NAME, "host-a", "em1") in on(vm, cache)
    back = vm.ssh_command("host-a", ["sudo", "ping", "-c1", "-w5", "192.168.7.30", "&&", cache])
    answer = subprocess.run(back, check=True, capture_output=True, text=True, timeout=deadline(60))
    assert mac_address(NAME, "cloud", "em1") in answer.stdout


@pytest.mark.parametrize("fault", ["cable", "unplug:cloud"])
def test_a_vm_has_the_faults_of_the_switch_also_after_a_power_cut(vm: Lab, fault: str) -> None:
    vm.up(["host-a"])
    vm.faults.inject(fault)
    vm.faults.inject("power:cloud")
    state = LabState.load(vm.paths.state)
    assert state
    lab_host(vm.paths, state.topology, "cloud").start()
    reached = vm.ssh_command("host-a", ["sudo", "ping", "-c1", "-w30", "192.168.7.30"])
    if fault == "cable":
        vm.wait(["cloud"])  # control reaches it
    cut = subprocess.run(reached, check=False, capture_output=True, text=True, timeout=deadline(90))
    assert cut.returncode == 1, cut.stdout
    assert set(vm.faults.repair()) == {fault, "power:cloud"}
    subprocess.run(reached, check=True, capture_output=True, timeout=deadline(90))


@pytest.mark.parametrize("after", [1.0, 4.0])
def test_down_ends_a_killed_up(after: float) -> None:
    name = lab_name("vm-life")
    system_disk("bookworm")
    before = Machine.snapshot(name)
    with subprocess.Popen([*_COMMAND, "up", "--name", name, "--hosts", "cloud"]) as process:
        wait_until(LabPaths(name).state.exists, "the lab's state")
        time.sleep(after)
        process.kill()
    assert Lab.open(name).down()
    assert Machine.snapshot(name) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become an ordinary user")
def test_an_ordinary_user_can_run_a_vm() -> None:
    built = system_disk("bookworm").directory
    home = Path(tempfile.mkdtemp(dir="/var/tmp"))
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    try:
        cache = home / ".cache" / "runbook"
        cache.mkdir(parents=True)
        copy = cache / built.relative_to(cache_directory())
        subprocess.run(["cp", "--recursive", "--sparse=always", "--parents", built, home], check=True)
        copy.parent.mkdir()
        (home / built.relative_to("/")).rename(copy)
        subprocess.run(["chown", "--recursive", f"{USER}:{USER}", home], check=True)

        def lab(*arguments: str, exit_code: int = 0) -> str:
            command = [
                "setpriv",
                f"--reuid={USER}",
                f"--regid={USER}",
                "--clear-groups",
                *_COMMAND,
                *arguments,
            ]
            ended = subprocess.run(
                command, check=False, env=environment, capture_output=True, text=True, timeout=deadline(240)
            )
            assert ended.returncode == exit_code, ended.stdout + ended.stderr
            return ended.stdout + (ended.stderr if exit_code else "")

        try:
            lab("up", "--name", USERS_LAB, "--hosts", "cloud")
            status = json.loads(lab("status", "--name", USERS_LAB, "--json"))
            assert status["hosts"][0]["answers"]
            assert lab("shell", "--name", USERS_LAB, "cloud", "hostname").strip() == "cloud"
            inventory = Inventory.load(status["inventory"]).select("cloud")[0]
            assert (inventory.address, inventory.network_namespace) == ("127.0.0.1", None)
            refused = lab("break", "--name", USERS_LAB, "cable", exit_code=2)
            assert "this lab has no switch" in refused
        finally:
            lab("down", "--name", USERS_LAB)
        assert not _processes_of(USER)
        assert not (home / ".local/state/runbook-lab").exists()
        assert not (home / ".local/share/runbook-lab").exists()
    finally:
        shutil.rmtree(home)


def _processes_of(user: int) -> list[str]:
    found = subprocess.run(
        ["ps", "-u", str(user), "-o", "args="], check=False, capture_output=True, text=True
    )
    return found.stdout.splitlines()
