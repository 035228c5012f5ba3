"""Checks with testinfra's modules on practice hosts, over SSH, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.examples]


def ordinary(host: Any) -> bool:  # noqa: ANN401 - testinfra's host
    assert host.check_output("id -un") == "ops"
    assert host.run("exit 7").rc == 7
    sudoers = host.file("/etc/sudoers.d/ops")
    assert not host.run("cat /etc/sudoers.d/ops").succeeded
    with host.sudo():
        assert host.check_output("id -un") == "root"
        assert (sudoers.user, sudoers.mode) == ("root", 0o440)
        assert sudoers.contains("NOPASSWD")
    with host.sudo("guest"):
        assert host.check_output("id -un") == "guest"
    assert host.package("openssh-server").is_installed
    assert not host.package("nginx").is_installed
    assert host.service("ssh").is_running
    assert host.service("ssh").is_enabled
    assert host.socket("tcp://0.0.0.0:22").is_listening
    assert not host.socket("tcp://0.0.0.0:80").is_listening
    assert host.user("ops").home == "/home/ops"
    assert host.group("sudo").exists
    assert host.interface("em1").exists
    return bool(host.system_info.distribution == "debian")


def test_modules_on_practice_hosts(fresh_lab: Lab, tmp_path: Path) -> None:
    book = Runbook.open(
        parameters(tmp_path, inventory=str(fresh_lab.inventory), hosts="docker", mode="validate")
    )
    step = book.check("An ordinary host", ordinary)
    assert {host.host: (host.status, host.message) for host in step.hosts} == {
        "host-a": ("ok", ""),
        "host-b": ("ok", ""),
    }
    assert {command.kind for host in step.hosts for command in host.commands} == {"fact"}
    begins = [host.started for host in step.hosts if host.started]
    ends = [host.ended for host in step.hosts if host.ended]
    assert max(begins) < min(ends)  # side by side
    served = book.check(
        "Of one host", lambda host: host.check_output("hostname"), hosts="host-b", expected="host-b"
    )
    assert served.status == "ok"
    with pytest.raises(StepFailed, match="expected True, observed False"):
        book.check("TLS is served", lambda host: host.socket("tcp://0.0.0.0:443").is_listening)
