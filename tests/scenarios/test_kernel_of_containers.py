"""A container has no kernel of its own: the upgrade is skipped there and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from tests.scenarios.practice import Practice


pytestmark = [pytest.mark.lab, pytest.mark.scenario]


@pytest.mark.parametrize("mode", ["plan", "apply", "validate"])
def test_container_host_is_skipped_with_the_reason(fresh: Practice, mode: str) -> None:
    done = fresh.run("10_kernel_upgrade", "--hosts", "host-a,host-b", "--mode", mode)
    assert done.returncode == 0, done.stdout
    record = fresh.last()
    hosts = {step.title: step.hosts[0] for step in record.steps}
    for title in ("Keep the running kernel as the default", "Install the kernel", "Boot the new kernel"):
        assert hosts[title].status is Status.SKIPPED
        assert "a container (systemd-nspawn) shares the kernel of the machine" in hosts[title].message
    assert hosts["Check that the kernel is new enough"].status is Status.OK
    booted = [step.hosts for step in record.steps if step.title == "Boot the new kernel"]
    assert [[host.host for host in batch] for batch in booted] == [["host-a"], ["host-b"]], "one by one"
    assert all(command.kind == "fact" for host in hosts.values() for command in host.commands)
