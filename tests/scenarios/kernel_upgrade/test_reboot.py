"""A step reboots a host, and the host does something else."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.evidence.chain import read_lines
from runbook_lib.model.status import Status
from runbook_lib.operations import host, kernel, package_source, packages
from tests.deadlines import deadline
from tests.scenarios.kernel_upgrade.practice import PACKAGE
from tests.scenarios.practice import signal_and_wait

if TYPE_CHECKING:
    from tests.scenarios.kernel_upgrade.practice import Cloud

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.in_order]
# struct flock of fcntl(2) on x86_64, as dpkg locks; flock(1) uses another kind of lock.
_HOLD = """
setsid perl -e 'use Fcntl; open F, ">", "/var/lib/dpkg/lock-frontend" or die;
my $all = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $all) or die; open G, ">", "/run/held"; sleep 60' >/dev/null 2>&1 </dev/null &
until [ -e /run/held ]; do sleep 0.1; done
rm /run/held
"""


def test_lock_held_by_another_process_is_waited_for_and_its_holder_named(cloud: Cloud) -> None:
    cloud.root(_HOLD)
    started = time.monotonic()
    record = cloud.step(packages.unlocked(4))
    assert record.status is Status.FAILED
    assert "expected none, observed perl (" in record.message
    assert "/var/lib/dpkg/lock-frontend" in record.message
    assert 4 <= time.monotonic() - started < deadline(30)
    cloud.root("pkill perl")
    assert cloud.step(packages.unlocked(4)).status is Status.OK


def test_broken_package_source_is_reported_and_nothing_is_installed(cloud: Cloud) -> None:
    file = "/etc/apt/sources.list.d/broken.list"
    cloud.root(f"echo 'deb http://127.0.0.1:9/debian bookworm main' > {file}")
    record = cloud.step(package_source.ready())
    cloud.root(f"rm {file}")
    assert record.status is Status.FAILED
    assert "127.0.0.1" in record.message


def test_too_little_space_in_boot_is_refused_before_anything_is_installed(cloud: Cloud) -> None:
    cloud.root("apt-get -qq --error-on=any update")
    record = cloud.step(kernel.installed(PACKAGE, space=999999))
    assert record.status is Status.FAILED
    assert "too little space in /boot: " in record.message
    assert all(command.kind == "fact" for command in record.commands)


def test_plan_shows_the_commands_and_the_entry_before_and_after(cloud: Cloud) -> None:
    """Needs the test above, which downloads the package lists."""
    boot_id = cloud.boot_id()
    assert cloud.upgrade("--mode", "plan").returncode == 0
    planned = {step.title: step.hosts[0] for step in cloud.last().steps}
    trial = planned["Boot the new kernel"]
    assert trial.status is Status.PLANNED
    texts = [(command.kind, command.text) for command in trial.commands if command.problem]
    assert any(kind == "guard" and "grub-reboot" in text and "6.12" in text for kind, text in texts)
    assert any(
        kind == "change" and text.startswith("sudo -n -- ") and text.endswith(" shutdown -r now")
        for kind, text in texts
    )
    assert any(kind == "guard" and "grub-set-default" in text and "6.12" in text for kind, text in texts)
    entry = next(change for change in trial.changes if change.what == "default boot entry")
    assert entry.before is not None
    assert entry.after is not None
    assert entry.before.startswith("6.1.0-")
    assert entry.after.startswith("6.12.")
    assert cloud.boot_id() == boot_id


def test_host_that_does_not_reboot_keeps_its_boot_id_and_the_step_fails(cloud: Cloud) -> None:
    cloud.root("touch /run/reboot-required")
    cloud.shutdown_does("exit 0")
    before = cloud.boot_id()
    record = cloud.step(host.rebooted(deadline=10))
    cloud.shutdown_works()
    assert record.status is Status.FAILED
    assert "the host did not reboot within 10 s: it still answers with the old boot id" in record.message
    assert cloud.boot_id() == before


def test_interrupt_while_the_host_reboots_is_reported(cloud: Cloud) -> None:
    cloud.shutdown_does(
        "systemd-run --quiet sh -c 'systemctl stop ssh; pkill sshd; sleep 20; systemctl start ssh'"
    )
    process = cloud.start_step("host.rebooted(deadline=100.0)")
    cloud.wait_for("command_started", "shutdown -r now")
    time.sleep(4)
    output = signal_and_wait(process, signal.SIGINT)
    assert cloud.last().status is Status.INTERRUPTED, output
    assert "stopped while waiting for the host to come back" in cloud.last().steps[0].hosts[0].message
    cloud.lab.wait(["cloud"])
    cloud.shutdown_works()


def test_host_that_comes_back_with_another_key_gets_no_command(cloud: Cloud) -> None:
    cloud.root("touch /run/reboot-required")
    keys = "/etc/ssh/ssh_host_ed25519_key"
    cloud.root(f"cp -a {keys} /root/key; cp -a {keys}.pub /root/key.pub 2>/dev/null || true")
    # The old key is restored after 12 s, because later tests need the host.
    cloud.shutdown_does(
        f"rm -f {keys} {keys}.pub; ssh-keygen -q -t ed25519 -N '' -f {keys}; systemctl restart ssh\n"
        f"systemd-run --quiet sh -c 'sleep 12; cp -a /root/key {keys}; systemctl restart ssh'"
    )
    record = cloud.step(host.rebooted(deadline=60))
    assert record.status is Status.UNREACHABLE
    assert "after the reboot: the host key has changed" in record.message
    answered = [command.text for command in record.commands if command.exit_code is not None]
    assert answered[-1].endswith("shutdown -r now"), "nothing was answered after the reboot"
    journal = (cloud.runs / cloud.last().run / "journal.jsonl").read_bytes()
    events = [entry["event"] for entry in read_lines(journal).entries]
    rebooting = max(
        number
        for number, entry in enumerate(read_lines(journal).entries)
        if entry["event"] == "command_started" and entry["text"].endswith("shutdown -r now")
    )
    assert "connected" in events[:rebooting]
    assert "connected" not in events[rebooting:], "a host with another key gets no connection, so no command"
    cloud.lab.wait(["cloud"])
    cloud.shutdown_works()


def test_host_that_stays_down_past_the_deadline_is_unreachable(cloud: Cloud) -> None:
    cloud.root("touch /run/reboot-required")
    cloud.shutdown_does("systemctl poweroff")
    record = cloud.step(host.rebooted(deadline=15))
    assert record.status is Status.UNREACHABLE
    assert "the host did not come back within 15 s" in record.message
    assert "reset it" in record.message
    # The host stays off: this is the last test here, and the next module resets the host.
