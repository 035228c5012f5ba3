"""What a failed test leaves of the shared lab does not reach the next test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.hosts.registry import lab_host
from runbook_lib.lab.state import running_state
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.testing import CONTAINERS
from tests.whole_lab import made_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]


def power_cut(lab: Lab) -> None:
    """As by a host that has not come up: the state knows of no fault, and the services have died too."""
    lab_host(lab.paths, running_state(lab.paths).topology, "host-b").stop()
    Cgroup(lab.name, "_control").kill()


def faults(lab: Lab) -> None:
    for fault in ("unplug:host-a", "gateway:host-b", "power:host-b"):
        lab.faults.inject(fault)


def damaged_state(lab: Lab) -> None:
    lab.paths.state.write_text("{", encoding="utf-8")


@pytest.mark.parametrize("leave", [power_cut, faults, damaged_state])
def test_the_shared_lab_is_made_whole(lab: Lab, leave: Callable[[Lab], None]) -> None:
    leave(lab)
    made_whole(lab, CONTAINERS)
    lab.wait()  # a login on each host
    status = lab.status()
    assert {host.name: host.running for host in status.hosts} == dict.fromkeys(CONTAINERS, True)
    assert status.faults == []
    assert all(status.services.values())
