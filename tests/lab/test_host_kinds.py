"""A kind of lab host is a class and an entry point: another package adds one, and nothing else needs to change."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, RequirementError
from runbook_lib.inventory import Inventory
from runbook_lib.lab.host_selection import available_hosts
from runbook_lib.lab.hosts.registry import BUILT_IN, GROUP, host_class, switch_vlans
from runbook_lib.lab.inventory_file import write_inventory
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.lab.testing import Machine, reason_to_skip, running_lab
from runbook_lib.lab.topology_file import load_topology
from tests.deadlines import deadline, wait_until
from tests.entry_points import write_package
from tests.lab_names import lab_name
from tests.whole_lab import wait_for_answers

if TYPE_CHECKING:
    from runbook_lib.lab.topology import Topology

TOP = Path(__file__).parents[2]
NAME = lab_name("kind")
# `Terse` is a container with a rule of its own for plans; no machine meets the requirements of `Quantum`.
MODULE = """
from runbook_lib.errors import InputError, RequirementError
from runbook_lib.lab.hosts.container import ContainerHost

class Terse(ContainerHost):
    @classmethod
    def check_plan(cls, plan, where):
        if "em9" in plan.interfaces:
            raise InputError("a terse host has no em9", where=where, hint="use em1")

class Quantum(ContainerHost):
    requirement = "quantum"
    uses_switch = False
    starts_by_default = False

    @classmethod
    def check_requirements(cls):
        raise RequirementError("no quantum computer", hint="buy one")
"""
TOPOLOGY = """\
control: {vlan: 101, address: 192.168.7.254/20}
hosts:
  host-t:
    kind: terse
    interfaces:
      em1: {vlan: 101, address: 192.168.7.41/20}
      em2: {vlan: 103}
  host-q:
    kind: quantum
    interfaces:
      em1: {vlan: 104, address: 192.168.7.42/20}
"""
BOOTABLE = TOPOLOGY.split("  host-q:", maxsplit=1)[0].replace("103", "101")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of an installed package with the kinds `terse` and `quantum`."""
    directory = tmp_path / "site-packages"
    directory.mkdir()
    kinds = {"terse": "other_lab_hosts:Terse", "quantum": "other_lab_hosts:Quantum"}
    write_package(directory, "other_lab_hosts", MODULE, {GROUP: kinds})
    monkeypatch.syspath_prepend(directory)
    return directory


def write_topology(tmp_path: Path, text: str = TOPOLOGY) -> Path:
    file = tmp_path / "topology.yml"
    file.write_text(text, encoding="utf-8")
    return file


def state_of(topology: Topology) -> LabState:
    return LabState(
        name=NAME, control=topology.control, hosts=topology.hosts, groups={}, inventory="", packages=""
    )


def runbook_lab(*arguments: str, package: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `runbook lab`, with the other package installed or without."""
    paths = [str(path) for path in (TOP, package) if path]
    return subprocess.run(
        [sys.executable, "-m", "runbook_lib.cli.main", "lab", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=deadline(120),
        check=False,
    )


def test_the_built_in_kinds_are_declared_as_entry_points_too() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN
    assert {kind: host_class(kind).__name__ for kind in BUILT_IN} == {
        "container": "ContainerHost",
        "vm": "VmHost",
    }


@pytest.mark.usefixtures("package")
def test_a_topology_may_use_a_kind_of_another_package(tmp_path: Path) -> None:
    topology = load_topology(write_topology(tmp_path))
    assert {name: host.kind for name, host in topology.hosts.items()} == {
        "host-t": "terse",
        "host-q": "quantum",
    }
    assert switch_vlans(topology) == [101, 103]
    assert state_of(topology).has_switch
    assert not state_of(topology.only(["host-q"])).has_switch


@pytest.mark.usefixtures("package")
def test_a_kind_may_refuse_a_plan(tmp_path: Path) -> None:
    file = write_topology(tmp_path, TOPOLOGY.replace("em2: {vlan: 103", "em9: {vlan: 103"))
    with pytest.raises(InputError, match="a terse host has no em9") as caught:
        load_topology(file)
    assert caught.value.where == f"{file}, line 3, host 'host-t'"


@pytest.mark.usefixtures("package")
def test_requirements_that_are_not_met_leave_out_hosts_that_do_not_start_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = load_topology(write_topology(tmp_path))
    monkeypatch.setattr(host_class("terse"), "check_requirements", lambda: None)
    assert list(available_hosts(topology, None).hosts) == ["host-t"]
    with pytest.raises(RequirementError, match="no quantum computer"):
        available_hosts(topology, ["host-t", "host-q"])


@pytest.mark.usefixtures("package")
def test_tests_are_skipped_for_a_kind_unless_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_REQUIRE", "lab")
    assert "no quantum computer" in (reason_to_skip("quantum") or "")
    monkeypatch.setenv("RUNBOOK_REQUIRE", "lab,quantum")
    with pytest.raises(RequirementError, match="no quantum computer"):
        reason_to_skip("quantum")


@pytest.mark.usefixtures("package")
def test_the_inventory_of_another_kind_can_be_loaded(tmp_path: Path) -> None:
    topology = load_topology(write_topology(tmp_path))
    endpoints = {name: SshEndpoint(host.address) for name, host in topology.hosts.items()}
    write_inventory(LabPaths(NAME), topology, endpoints, tmp_path / "inventory.yml")
    hosts = Inventory.load(tmp_path / "inventory.yml").select("all")
    assert {host.name: host.kind for host in hosts} == {"host-t": "container", "host-q": "container"}


def test_the_command_line_finds_the_other_package_and_refuses_without_a_trace(
    tmp_path: Path, package: Path
) -> None:
    file = str(write_topology(tmp_path))
    arguments = ("up", "--name", NAME, "--topology", file, "--hosts", "host-q")
    unmet = runbook_lab(*arguments, package=package)
    assert (unmet.returncode, "no quantum computer\n  hint: buy one" in unmet.stderr) == (2, True), (
        unmet.stderr
    )
    unknown = runbook_lab(*arguments)
    assert unknown.returncode == 2
    assert f"{file}, line 3, host 'host-t': unknown host kind 'terse'" in unknown.stderr
    assert "known kinds: container, vm; a package adds one with an entry point in" in unknown.stderr
    assert "Traceback" not in unmet.stderr + unknown.stderr
    assert not LabPaths(NAME).run.exists()


@pytest.mark.lab
@pytest.mark.usefixtures("can_have_lab")
def test_a_host_of_another_kind_boots_and_is_ended_without_its_package(tmp_path: Path, package: Path) -> None:
    before = Machine.snapshot(NAME)
    file = write_topology(tmp_path, BOOTABLE)
    with running_lab(NAME, topology=file) as lab:
        answer = subprocess.run(
            lab.ssh_command("host-t", ["hostname"]),
            capture_output=True,
            text=True,
            check=True,
            timeout=deadline(60),
        )
        assert answer.stdout == "host-t\n"
        assert Inventory.load(lab.inventory).select("host-t")[0].kind == "container"
        lab.faults.inject("unplug:host-t")
        assert [host.answers for host in lab.status().hosts] == [False]
        lab.reset()
        wait_for_answers(lab, "host-t")

        def shown() -> bool:
            status = runbook_lab("status", "--name", NAME, package=package)
            return "host-t  192.168.7.41  on, SSH answers" in status.stdout

        wait_until(shown, "a status with the host's own kind")
        without = runbook_lab("status", "--name", NAME)
        assert (without.returncode, "unknown host kind 'terse'" in without.stderr) == (2, True)
        ended = runbook_lab("down", "--name", NAME)
        assert (ended.returncode, ended.stdout) == (0, f"lab {NAME}: down; nothing remains\n"), ended.stderr
        assert not Lab.open(NAME, file).down()
    assert Machine.snapshot(NAME) == before
