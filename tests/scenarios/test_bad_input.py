"""Bad input: one clear message, exit code 2, and no host is touched."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deadlines import deadline
from tests.scenarios.practice import RUNBOOK, TOP

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """\
hosts:
  nowhere:
    address: 127.0.0.1
    port: 1
    known_hosts: known_hosts
groups:
  docker: [nowhere]
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "known_hosts").touch()
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY.replace("known_hosts: ", f"known_hosts: {tmp_path}/"))
    return path


def refuse(tmp_path: Path, *arguments: str) -> str:
    """Run runbooks; check the exit code 2, and that no run directory was made; return standard error."""
    done = subprocess.run(
        [RUNBOOK, "run", *arguments, "-p", "runs", str(tmp_path / "runs")],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
    return done.stderr


def test_unknown_parameter_is_named_with_the_likely_one(tmp_path: Path, inventory: Path) -> None:
    message = refuse(tmp_path, "30_bridge_br0", "-p", "brdge", "br9", "-p", "inventory", str(inventory))
    assert "unknown name 'brdge' (did you mean 'bridge'?)" in message


def test_parameter_of_wrong_type_is_named_with_its_value(tmp_path: Path, inventory: Path) -> None:
    message = refuse(
        tmp_path, "30_bridge_br0", "-p", "revert_after", "soon", "-p", "inventory", str(inventory)
    )
    assert "'revert_after': Input should be a valid number" in message
    assert "soon" in message


def test_wrong_type_in_a_file_is_reported_with_its_line(tmp_path: Path, inventory: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text(f"inventory: {inventory}\nrevert_after: soon\n")
    message = refuse(tmp_path, "30_bridge_br0", "-f", str(file))
    assert "line 2: 'revert_after'" in message


def test_a_vlan_that_is_given_twice(tmp_path: Path, inventory: Path) -> None:
    arguments = ("35_two_vlans", "-p", "hosts", "nowhere", "-p", "second_vlan", "101")
    message = refuse(tmp_path, *arguments, "-p", "inventory", str(inventory))
    assert "vlan and second_vlan are both 101: each VLAN needs its own" in message


def test_missing_parameters_file(tmp_path: Path) -> None:
    assert "no such file" in refuse(tmp_path, "30_bridge_br0", "-f", str(tmp_path / "none.yml"))


def test_malformed_yaml_shows_the_line(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("inventory: x\nhosts: [a, b\nmode: plan\n")
    message = refuse(tmp_path, "30_bridge_br0", "-f", str(file))
    assert "malformed YAML" in message
    assert ", line 3" in message


def test_missing_inventory(tmp_path: Path) -> None:
    message = refuse(tmp_path, "00_preflight", "-p", "inventory", str(tmp_path / "none.yml"))
    assert "none.yml: no such file" in message


def test_unknown_host_is_reported_with_the_known_ones(tmp_path: Path, inventory: Path) -> None:
    message = refuse(tmp_path, "00_preflight", "--hosts", "host-z", "-p", "inventory", str(inventory))
    assert "unknown host or group 'host-z'" in message
    assert "known hosts: nowhere; known groups: docker" in message


def test_unknown_runbook_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    message = refuse(tmp_path, "31_bridge")
    assert "known runbooks: 00_preflight, " in message
    assert "30_bridge_br0" in message


def test_validate_refuses_to_apply(tmp_path: Path, inventory: Path) -> None:
    message = refuse(tmp_path, "90_validate", "--mode", "apply", "-p", "inventory", str(inventory))
    assert "'mode': Input should be 'validate'" in message


def test_unresolved_secret_is_named_by_its_reference(tmp_path: Path, inventory: Path) -> None:
    inventory.write_text(INVENTORY.replace("port: 1", "sudo_password: ${env:NOT_SET_ANYWHERE}"))
    message = refuse(tmp_path, "00_preflight", "-p", "inventory", str(inventory))
    assert "${env:NOT_SET_ANYWHERE}: the secret has no value" in message


def test_all_parameters_are_checked_before_the_first_runbook_starts(tmp_path: Path, inventory: Path) -> None:
    message = refuse(
        tmp_path, "00_preflight", "30_bridge_br0", "-p", "least_disk", "9", "-p", "inventory", str(inventory)
    )
    assert "unknown name 'least_disk'" in message
