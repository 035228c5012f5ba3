"""The kernel upgrade on a host that really boots: power cut, panic, then success; in this order, on one host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.scenarios.kernel_upgrade.practice import UPGRADE

if TYPE_CHECKING:
    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import HostRecord
    from tests.scenarios.kernel_upgrade.practice import Cloud

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.in_order]
# Keeps a copy of the initial RAM disk, then breaks it: the kernel panics because it finds no root file system.
_BREAK = "f=$(ls /boot/initrd.img-6.12*); [ -e /root/good ] || cp $f /root/good; echo broken > $f"
_REPAIR = "cp /root/good $(ls /boot/initrd.img-6.12*)"


@pytest.fixture(scope="module", autouse=True)
def new_host(kernel_lab: Lab) -> None:
    kernel_lab.reset(["cloud"])


def trial(cloud: Cloud) -> HostRecord:
    return next(step for step in cloud.last().steps if step.title == "Boot the new kernel").hosts[0]


def changes(record: HostRecord) -> dict[str, tuple[str | None, str | None]]:
    return {change.what: (change.before, change.after) for change in record.changes}


def test_power_cut_during_the_installation_is_reported_and_leaves_the_old_kernel(cloud: Cloud) -> None:
    process = cloud.start(*UPGRADE)
    cloud.wait_for("command_started", "apt-get --quiet --option=DPkg::Lock::Timeout=120 install", 240)
    wait_until(
        lambda: cloud.on("cloud", "ls /boot | grep ^vmlinuz-6.12 || true"), "the new kernel", seconds=120
    )
    cloud.lab.restart("cloud")
    output, _ = process.communicate(timeout=deadline(60))
    assert process.returncode == 3, output
    assert cloud.last().status is Status.UNREACHABLE
    assert cloud.kernel().startswith("6.1.0-")


def test_new_kernel_that_panics_is_replaced_by_the_old_one_and_the_console_is_recorded(cloud: Cloud) -> None:
    """Runs after the power cut: the interrupted installation is completed first."""
    hook = "/etc/kernel/postinst.d/zzz-break"
    cloud.root(f"printf '#!/bin/sh\\n%s\\n' '{_BREAK}' > {hook}; chmod 755 {hook}")
    done = cloud.upgrade()
    cloud.root(f"rm -f {hook}")
    assert done.returncode == 1, done.stdout
    installed = next(step for step in cloud.last().steps if step.title == "Install the kernel").hosts[0]
    assert installed.status is Status.CHANGED
    record = trial(cloud)
    assert record.status is Status.FAILED
    assert "running kernel: expected 6.12." in record.message
    assert "the next reset boots 6.1.0-" in record.message
    assert "Kernel panic - not syncing" in record.message
    assert "Kernel panic" in (changes(record)["console output during the reboot"][1] or "")
    before, after = changes(record)["boot id"]
    assert before != after
    assert cloud.kernel().startswith("6.1.0-")
    assert "next_entry=" not in cloud.root("grub-editenv - list")
    assert "zz-runbook-trial.cfg" not in cloud.root("ls /etc/default/grub.d").split()


def test_new_kernel_is_booted_on_trial_and_becomes_the_default(cloud: Cloud) -> None:
    cloud.root(_REPAIR)
    done = cloud.upgrade()
    assert done.returncode == 0, done.stdout
    record = trial(cloud)
    assert record.status is Status.CHANGED
    made = changes(record)
    for what in ("running kernel", "default boot entry"):
        before, after = made[what]
        assert before is not None
        assert after is not None
        assert before.startswith("6.1.0-")
        assert after.startswith("6.12.")
    assert made["boot id"][1] == cloud.boot_id()
    assert "s unreachable" in (made["downtime"][1] or "")
    assert cloud.kernel().startswith("6.12.")


def test_second_run_changes_nothing_and_does_not_reboot(cloud: Cloud) -> None:
    boot_id = cloud.boot_id()
    assert cloud.upgrade().returncode == 0
    assert {host.status for step in cloud.last().steps for host in step.hosts} == {Status.OK}
    assert cloud.boot_id() == boot_id


def test_the_new_kernel_is_still_the_default_after_a_power_cut(cloud: Cloud) -> None:
    cloud.lab.restart("cloud")
    assert cloud.kernel().startswith("6.12.")
