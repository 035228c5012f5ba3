"""A lab leaves the machine as it was, whatever happens to the command that made it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.system.cgroups import Cgroup, inner_pids
from runbook_lib.lab.system.paths import RUN, LabPaths, cache_directory
from runbook_lib.lab.testing import CONTAINERS, Machine, running_lab
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY
from tests.aftermath import AFTERMATH
from tests.deadlines import deadline, wait_until
from tests.lab_names import lab_name
from tests.whole_lab import wait_for_answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]
NAME = lab_name("life")
HOSTS = ("--hosts", ",".join(CONTAINERS))
_COMMAND = [sys.executable, "-c", "from runbook_lib.cli.main import main; main()", "lab"]


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    with AFTERMATH.lab(NAME):
        yield


def command(
    *arguments: str, prefix: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, *_COMMAND, *arguments],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_up_and_down_leave_the_machine_as_it_was() -> None:
    before = Machine.snapshot(NAME)
    lab = Lab.open(NAME)
    assert lab.up(CONTAINERS)
    assert not lab.up(CONTAINERS)
    assert lab.inventory.exists()
    during = Machine.snapshot(NAME)
    assert (during.links, during.addresses) == (before.links, before.addresses)
    assert during.processes
    assert lab.down()
    assert Machine.snapshot(NAME) == before
    assert not lab.down()


@pytest.mark.parametrize("after", [0.6, 0.9, 1.1, 1.3, 1.6, 2.0])
def test_down_ends_a_killed_up(after: float) -> None:
    before = Machine.snapshot(NAME)
    with command("up", *HOSTS, "--name", NAME) as process:
        time.sleep(after)
        process.kill()
    Lab.open(NAME).down()
    assert Machine.snapshot(NAME) == before


def test_the_next_up_cleans_up_after_a_killed_up() -> None:
    with command("up", *HOSTS, "--name", NAME) as process:
        time.sleep(1.2)
        process.kill()
    with running_lab(NAME, CONTAINERS) as lab:
        wait_for_answers(lab, *CONTAINERS)


def test_the_next_up_completes_a_killed_reset() -> None:
    with running_lab(NAME, hosts=["host-a"]) as lab:
        subprocess.run(lab.ssh_command("host-a", ["touch", "gone"]), check=True, timeout=deadline(30))
        with command("reset", "--name", NAME) as process:
            wait_until(lambda: not all(host.running for host in lab.status().hosts), "a host that is off")
            process.kill()
        lab.up(["host-a"])
        gone = subprocess.run(
            lab.ssh_command("host-a", ["test", "-e", "gone"]), check=False, timeout=deadline(30)
        )
        assert gone.returncode == 1


def test_an_ended_reset_says_what_completes_it() -> None:
    with running_lab(NAME, hosts=["host-a"]) as lab:
        with command("reset", "--name", NAME) as process:
            wait_until(lab.paths.lock.exists, "the reset")
            process.terminate()
            output, _ = process.communicate(timeout=deadline(60))
        assert process.returncode == 4, output
        assert f"`runbook lab up --name {NAME}` starts them" in output


def test_ctrl_c_takes_down_a_half_built_lab() -> None:
    before = Machine.snapshot(NAME)
    with command("up", *HOSTS, "--name", NAME) as process:
        while not LabPaths(NAME).state.exists():
            assert process.poll() is None, "`lab up` exited before it created a lab"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stdout
        assert any("taking it down" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)  # it does not cut that short
        output, _ = process.communicate(timeout=deadline(30))
    assert process.returncode == 4
    assert "interrupted; nothing of the lab remains" in output
    assert Machine.snapshot(NAME) == before


def test_down_ends_and_removes_a_killed_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_CACHE", str(tmp_path))
    others = set(Cgroup.names("_build-"))
    before = Machine.snapshot(NAME)
    with command("up", *HOSTS, "--name", NAME) as process:
        while not list(tmp_path.glob("rootfs/.*/root/etc")):
            assert process.poll() is None, "`lab up` exited before it built anything"
            time.sleep(0.05)
        process.kill()
    begun = set(Cgroup.names("_build-")) - others
    assert begun
    Lab.open(NAME).down()
    assert Machine.snapshot(NAME) == before
    assert not begun & set(Cgroup.names("_build-"))
    assert not list(tmp_path.glob("rootfs/*"))
    assert not list(tmp_path.glob("rootfs/.*"))


def test_two_labs_run_side_by_side_on_the_same_addresses(lab: Lab) -> None:
    with running_lab(NAME, hosts=["host-a"]) as other:
        assert lab.paths.control != other.paths.control
        for one in (lab, other):
            answer = subprocess.run(
                one.ssh_command("host-a", ["cat", "/etc/machine-id"]),
                check=True,
                capture_output=True,
                timeout=deadline(30),
            )
            assert answer.stdout
        assert [host.name for host in other.status().hosts] == ["host-a"]
    wait_for_answers(lab, *CONTAINERS)


def copied(cache: Path, to: Path) -> bool:
    """Copy what a lab needs of the cache; false where another lab has removed a file meanwhile."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    complete = [cache / "packages", *cache.glob("rootfs/[!.]*"), *cache.glob("images/[!.]*")]
    paths = [str(path.relative_to(cache)) for path in complete]
    command = ["cp", "--archive", "--link", "--parents", *paths, str(to)]
    return subprocess.run(command, cwd=cache, check=False).returncode == 0


def test_a_filled_cache_serves_packages_without_a_network(lab: Lab, tmp_path: Path) -> None:
    install = "sudo apt-get -q --error-on=any update && sudo apt-get -q -y install --reinstall netbase"
    subprocess.run(
        lab.ssh_command("host-a", [install]), check=True, capture_output=True, timeout=deadline(120)
    )
    cache = tmp_path / "cache"
    wait_until(lambda: copied(cache_directory(), cache), "a copy of the cache")
    environment = {"RUNBOOK_CACHE": str(cache)}
    offline = ("unshare", "--net")  # the only link is a loopback that is down
    with command("up", *HOSTS, "--name", NAME, prefix=offline, environment=environment) as process:
        output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 0, output
    try:
        other = Lab.open(NAME)
        done = subprocess.run(
            other.ssh_command("host-a", [install]),
            check=False,
            capture_output=True,
            text=True,
            timeout=deadline(120),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        Lab.open(NAME).down()


def test_an_inventory_that_the_lab_did_not_write_is_not_overwritten(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("hosts: {}\n", encoding="utf-8")
    before = Machine.snapshot(NAME)
    with pytest.raises(InputError, match="was not written by the lab"):
        Lab.open(NAME, inventory=inventory).up(CONTAINERS)
    assert inventory.read_text(encoding="utf-8") == "hosts: {}\n"
    assert Machine.snapshot(NAME) == before


def test_down_ends_a_lab_whose_state_is_damaged() -> None:
    before = Machine.snapshot(NAME)
    lab = Lab.open(NAME)
    lab.up(["host-a"])
    lab.paths.state.write_bytes(b'{"name": "caf\xe9')
    lab.down()
    assert Machine.snapshot(NAME) == before
    assert not [path for path in RUN.glob("*.lock") if NAME in path.name]


def test_down_lists_what_remains_until_it_has_ended() -> None:
    lab = Lab.open(NAME)
    lab.up(["host-a"])
    # A user's shells, in the control namespace and in a host's, are not processes of the lab: listed, not killed.
    inits = [pid for pid in Cgroup(NAME, "host-a/machine").processes() if inner_pids(pid) == [1]]
    places = ([f"--net={lab.paths.control}"], [f"--target={inits[0]}", "--net", "--mount"])
    shells = [subprocess.Popen(["nsenter", *place, "sleep", "600"]) for place in places]
    try:
        names = [Path(f"/proc/{shell.pid}/comm") for shell in shells]
        wait_until(lambda: {name.read_text(encoding="utf-8") for name in names} == {"sleep\n"})
        for _ in range(2):
            with pytest.raises(LabError, match="could not be ended completely") as failed:
                lab.down()
            assert all(f"process {shell.pid}" in failed.value.message for shell in shells)
    finally:
        for shell in shells:
            shell.kill()
            shell.wait()
    assert lab.down()
    assert not lab.paths.run.exists()
    assert not lab.down()


def test_a_host_on_a_new_vlan_can_be_added_to_a_running_lab(tmp_path: Path) -> None:
    file = tmp_path / "topology.yml"
    text = DEFAULT_TOPOLOGY.read_text(encoding="utf-8")
    first, second = text.split("  host-b:", maxsplit=1)
    file.write_text(f"{first}  host-b:{second.replace('vlan: 102', 'vlan: 103', 1)}", encoding="utf-8")
    with running_lab(NAME, hosts=["host-a"], topology=file) as lab:
        assert lab.up(CONTAINERS)
        wait_for_answers(lab, *CONTAINERS)
