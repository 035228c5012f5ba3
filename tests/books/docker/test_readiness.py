"""The preflight's verdict agrees with what the other runbooks can do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runbook_lib.books.docker.parameters import Preflight
from runbook_lib.books.docker.readiness import READY, readiness
from runbook_lib.facts.clock import ClockSkew
from runbook_lib.facts.docker_engine import EngineVersion
from runbook_lib.facts.host import Virtualization
from runbook_lib.facts.network_stack import CONFIGURING, NetworkStack
from runbook_lib.facts.privilege import Sudo
from runbook_lib.facts.release import FAMILIES, Release
from runbook_lib.facts.resources import DiskSpace
from runbook_lib.model.records import HostRecord, StepRecord

GOOD: dict[str, Any] = {
    Sudo.id: True,
    ClockSkew.id: 0.1,
    Virtualization.id: {"container": None, "machine": "kvm"},
    Release.id: {"family": "debian"},
    DiskSpace("/var").label: 10_000,
    EngineVersion.id: "28.0.0",
    NetworkStack.id: ["ifupdown"],
}


def verdict(facts: dict[str, Any]) -> dict[str, str]:
    host = HostRecord(host="host-a", address="192.0.2.1", kind="machine", facts=facts)
    step = StepRecord(number=1, title="State", kind="facts", started=datetime.now(UTC), hosts=[host])
    (row,) = readiness(step, Preflight(inventory="inventory.yml", hosts="all"))
    return row


@pytest.mark.parametrize("stack", sorted(CONFIGURING))
def test_a_bridge_can_be_made_with_any_software_that_configures_one(stack: str) -> None:
    assert verdict({**GOOD, NetworkStack.id: [stack, "bridge-utils"]})["30_bridge_br0"] == READY


def test_a_host_whose_network_nothing_known_configures_is_not_ready_for_a_bridge() -> None:
    row = verdict({**GOOD, NetworkStack.id: ["bridge-utils"]})
    assert "systemd-networkd" in row["30_bridge_br0"]
    assert row["20_docker_install"] == READY


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_docker_can_be_installed_on_each_family_of_distributions(family: str) -> None:
    assert verdict({**GOOD, Release.id: {"family": family}})["20_docker_install"] == READY


def test_docker_cannot_be_installed_on_another_distribution() -> None:
    assert "debian, el" in verdict({**GOOD, Release.id: {"family": "other"}})["20_docker_install"]


def test_a_good_host_is_ready_for_every_runbook() -> None:
    assert set(verdict(GOOD).values()) == {"host-a", READY}


@pytest.mark.parametrize(
    ("fact", "runbook", "what"),
    [
        (Sudo.id, "90_validate", "sudo"),
        (ClockSkew.id, "10_kernel_upgrade", "the clock"),
        (Virtualization.id, "10_kernel_upgrade", "what the host runs on"),
        (Release.id, "20_docker_install", "the distribution"),
        (DiskSpace("/var").label, "20_docker_install", "the space in /var"),
        (EngineVersion.id, "40_ambassador_redis", "the Docker engine"),
        (NetworkStack.id, "30_bridge_br0", "the software that configures the network"),
    ],
)
def test_a_fact_that_could_not_be_read_is_not_taken_for_a_good_one(
    fact: str, runbook: str, what: str
) -> None:
    facts = {name: value for name, value in GOOD.items() if name != fact}
    assert verdict(facts)[runbook] == f"{what} could not be read"
