"""Failures on real hosts: each is reported once, clearly, with the right exit code and an intact journal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.connections.sent_ahead import MOST_TOGETHER
from runbook_lib.errors import StepFailed
from runbook_lib.evidence.chain import read_lines
from runbook_lib.model.status import Status
from runbook_lib.operations import docker_network
from tests.deadlines import deadline
from tests.runbook.practice import parameters
from tests.scenarios.practice import Practice, signal_and_wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.scenario]

REDIS = ("40_ambassador_redis", "-p", "on_failure", "stop")


def messages(practice: Practice) -> dict[str, str]:
    """Return host -> message of the last run's last step; its journal must be complete."""
    record = practice.last()
    assert record.incomplete == ""
    return {host.host: host.message for host in record.steps[-1].hosts}


def test_changed_host_key_is_refused(practice: Practice) -> None:
    known = practice.runs / "known_hosts"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(practice.runs / "other")], check=True
    )
    key = (practice.runs / "other.pub").read_text().split()
    known.write_text(f"192.168.7.31 {key[0]} {key[1]}\n")
    inventory = practice.changed_inventory(
        lambda data: data["hosts"]["host-a"].update(known_hosts=str(known))
    )
    done = practice.run("00_preflight", "--hosts", "host-a", inventory=inventory)
    assert done.returncode == 3
    assert "the host key has changed" in messages(practice)["host-a"]
    assert practice.last().steps[0].hosts[0].commands == []


def test_unknown_host_key_is_refused(practice: Practice) -> None:
    (practice.runs / "empty").touch()
    inventory = practice.changed_inventory(
        lambda data: data["hosts"]["host-a"].update(known_hosts=str(practice.runs / "empty"))
    )
    assert practice.run("00_preflight", "--hosts", "host-a", inventory=inventory).returncode == 3
    assert "the host key is unknown" in messages(practice)["host-a"]


def test_client_key_that_the_host_does_not_accept(practice: Practice) -> None:
    key = practice.runs / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    inventory = practice.changed_inventory(
        lambda data: data["hosts"]["host-a"].update(identity_file=str(key))
    )
    assert practice.run("00_preflight", "--hosts", "host-a", inventory=inventory).returncode == 3
    assert "the host rejects the login of user 'ops'" in messages(practice)["host-a"]


def test_no_sshd_on_one_host_does_not_hide_the_other(practice: Practice) -> None:
    inventory = practice.changed_inventory(lambda data: data["hosts"]["host-a"].update(port=2222))
    assert practice.run("00_preflight", inventory=inventory).returncode == 3
    statuses = {host.host: host.status for host in practice.last().steps[0].hosts}
    assert statuses == {"host-a": Status.UNREACHABLE, "host-b": Status.OK}


def test_no_route(practice: Practice) -> None:
    practice.lab.faults.inject("unplug:host-b")
    inventory = practice.changed_inventory(lambda data: data["hosts"]["host-b"].update(connect_timeout=2.0))
    assert practice.run("00_preflight", "--hosts", "host-b", inventory=inventory).returncode == 3
    assert "cannot connect" in messages(practice)["host-b"]


def test_missing_sudo_is_reported_with_a_hint(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(
        "RUNBOOK_LOCK_FILE"
    )  # the host is locked as a real one: without sudo in the user's home
    inventory = practice.changed_inventory(lambda data: data["hosts"]["host-a"].update(user="guest"))
    done = practice.run(
        "20_docker_install", "--hosts", "host-a", "-p", "engine_options", "{debug: true}", inventory=inventory
    )
    assert done.returncode == 1
    assert "the user needs sudo on host-a" in messages(practice)["host-a"]


def test_docker_daemon_not_running(practice: Practice) -> None:
    practice.lab.faults.inject("docker-down:host-a")
    assert practice.run(*REDIS).returncode == 1
    assert "the Docker engine does not answer" in messages(practice)["host-a"]


def test_missing_image(practice: Practice) -> None:
    assert practice.run(*REDIS, "-p", "redis_image", "runbook/no-such-image:9").returncode == 1
    message = messages(practice)["host-a"]
    assert "docker pull" in message
    assert "no-such-image" in message


def test_port_already_taken(practice: Practice) -> None:
    practice.on("host-a", "sudo systemd-run --quiet --unit=squatter /usr/sbin/sshd -D -p 6379")
    try:
        assert practice.run(*REDIS).returncode == 1
        assert "port 6379 is in use by sshd" in messages(practice)["host-a"]
    finally:
        practice.on("host-a", "sudo systemctl stop squatter")


def test_name_used_by_another_container(practice: Practice) -> None:
    practice.on(
        "host-a", "sudo docker rm -f redis-server >/dev/null 2>&1; sudo docker pull -q runbook/redis-cli:1"
    )
    practice.on("host-a", "sudo docker run -d --name redis-server runbook/redis-cli:1")
    try:
        assert practice.run(*REDIS).returncode == 1
        assert "the name 'redis-server' is used by another container" in messages(practice)["host-a"]
        assert (
            practice.on("host-a", "sudo docker inspect -f '{{.State.Running}}' redis-server").strip()
            == "true"
        )
    finally:
        practice.on("host-a", "sudo docker rm -f redis-server")


def test_option_that_is_also_on_the_engines_command_line(practice: Practice) -> None:
    option = "--registry-mirror=http://192.168.7.254:5000"
    before = practice.on("host-b", "cat /etc/docker/daemon.json")
    practice.on(
        "host-b",
        f"echo 'DOCKER_OPTS=\"{option}\"' | sudo tee -a /etc/default/docker; sudo rm /etc/docker/daemon.json; "
        "sudo systemctl restart docker",
    )
    try:
        assert practice.run("20_docker_install", "--hosts", "host-b").returncode == 1
        assert (
            f"option 'registry-mirrors' is also given on the engine's command line ({option})"
            in messages(practice)["host-b"]
        )
    finally:
        practice.on(
            "host-b",
            f"sudo sed -i /registry-mirror/d /etc/default/docker; echo '{before}' | sudo tee /etc/docker/daemon.json; "
            "sudo systemctl restart docker",
        )


def test_options_with_which_the_engine_does_not_start_are_rolled_back(practice: Practice) -> None:
    before = practice.on("host-b", "cat /etc/docker/daemon.json")
    done = practice.run(
        "20_docker_install", "--hosts", "host-b", "-p", "engine_options", "{no-such-option: 1}"
    )
    assert done.returncode == 1
    assert "the change was rolled back" in messages(practice)["host-b"]
    assert practice.on("host-b", "cat /etc/docker/daemon.json") == before
    assert practice.on("host-b", "systemctl is-active docker").strip() == "active"


def test_daemon_json_that_is_not_valid_json_is_not_overwritten(practice: Practice) -> None:
    before = practice.on("host-b", "cat /etc/docker/daemon.json")
    practice.on("host-b", "echo '{oops' | sudo tee /etc/docker/daemon.json")
    try:
        assert practice.run("20_docker_install", "--hosts", "host-b").returncode == 1
        assert "is not JSON" in messages(practice)["host-b"]
        assert practice.on("host-b", "cat /etc/docker/daemon.json") == "{oops\n"
    finally:
        practice.on("host-b", f"echo '{before}' | sudo tee /etc/docker/daemon.json")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.kills)])
def test_interrupted_in_the_middle_of_an_installation_and_run_again(
    practice: Practice, number: signal.Signals
) -> None:
    practice.on("host-b", "sudo apt-get -qq purge -y docker.io containerd runc >/dev/null 2>&1")
    process = practice.start("20_docker_install", "--hosts", "host-b")
    practice.wait_for("command_started", "apt-get --quiet --option=DPkg::Lock::Timeout=120 install")
    signal_and_wait(process, number)
    assert process.returncode == 4
    assert practice.last().status is Status.INTERRUPTED
    assert practice.last().incomplete == ""
    again = practice.run("20_docker_install", "--hosts", "host-b")
    assert again.returncode == 0, again.stdout


def test_killed_kernel_is_never_a_success(practice: Practice) -> None:
    process = practice.start("00_preflight")
    started = practice.wait_for("run_started", "00_preflight")
    os.kill(started["pid"], signal.SIGKILL)
    process.communicate(timeout=deadline(60))
    assert process.returncode == 4
    assert practice.last().status is Status.UNKNOWN


def test_killed_runner_leaves_a_run_with_status_unknown(practice: Practice) -> None:
    process = practice.start("30_bridge_br0", "--mode", "plan")
    started = practice.wait_for("run_started", "30_bridge_br0")
    os.kill(
        started["pid"], signal.SIGSTOP
    )  # the kernel, which would otherwise report that its runner is gone
    process.kill()
    process.communicate(timeout=deadline(60))
    with contextlib.suppress(ProcessLookupError):  # a forked kernel ends with its fork server
        os.kill(started["pid"], signal.SIGKILL)
    assert practice.last().status is Status.UNKNOWN


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount_point)], check=True)
    yield mount_point
    subprocess.run(["umount", "--lazy", str(mount_point)], check=True)


def fill(disk: Path) -> None:
    """Write until the disk is full."""
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def test_full_disk_stops_the_run_before_the_next_command(practice: Practice, small_disk: Path) -> None:
    full = Practice(practice.lab, small_disk, practice.programs)
    process = full.start("90_validate")
    full.wait_for("run_started", "90_validate")
    fill(small_disk)
    output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 4, output
    assert "No space left on device" in output
    assert "hint: free disk space" in output
    journal = next(small_disk.glob("*/journal.jsonl")).read_bytes()
    lines = read_lines(journal)
    assert lines.problem == ""
    assert "run_ended" not in {entry["event"] for entry in lines.entries}
    sent: set[Any] = {entry["command"] for entry in lines.entries if entry["event"] == "command_started"}
    ended = {entry["command"] for entry in lines.entries if entry["event"] == "command_ended"}
    # At most the commands that ran on the two hosts when the disk became full lack their end event.
    assert len(sent - ended) <= 2 * MOST_TOGETHER


def test_sudo_password_reaches_sudo_and_nothing_else(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-7ZxQ9!kP"
    monkeypatch.setenv("RUNBOOK_TEST_SUDO", canary)
    practice.on(
        "host-a",
        f"echo 'guest:{canary}' | sudo chpasswd; echo 'guest ALL=(ALL) ALL' | sudo tee /etc/sudoers.d/guest; "
        "sudo docker rm -f docker-proof",
    )
    inventory = practice.changed_inventory(
        lambda data: data["hosts"]["host-a"].update(
            {"user": "guest", "sudo_password": "${env:RUNBOOK_TEST_SUDO}"}
        )
    )
    options = ("-p", "engine_options", "{debug: true}")
    done = practice.run("20_docker_install", "--hosts", "host-a", *options, inventory=inventory)
    practice.on("host-a", "sudo rm /etc/sudoers.d/guest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert practice.last().status is Status.CHANGED
    assert canary not in done.stdout + done.stderr
    written = [path for path in practice.runs.rglob("*") if path.is_file()]
    assert len(written) > 4
    assert [path for path in written if canary.encode() in path.read_bytes()] == []
    # Where sudo does not ask for a password, the password must not become the command's standard input either.
    assert canary not in practice.on("host-a", "sudo cat /etc/docker/daemon.json")


def test_a_transaction_removes_the_network_that_it_has_made(practice: Practice, tmp_path: Path) -> None:
    practice.on("host-a", "sudo docker network create kept")
    book = Runbook.open(parameters(tmp_path, inventory=str(practice.lab.inventory), hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("tenants"):  # noqa: PT012 - as a user writes it
        book.step("Kept", docker_network.present("kept"))
        book.step("Made", docker_network.present("made", subnet="10.99.7.0/24"))
        book.check("Fails", lambda host: host.file("/none").exists)
    assert [step.status for step in book.record.steps] == ["ok", "changed", "failed", "failed"]
    assert book.record.steps[-1].hosts[0].message.endswith("rolled back: step 2 'Made'")
    left = practice.on("host-a", "sudo docker network ls --format '{{.Name}}'; sudo docker network rm kept")
    assert set(left.split()) >= {"kept", "bridge"}
    assert "made" not in left.split()
