"""The scripts of a guarded change, run by sh on files of this machine; timers and boots are in tests/scenarios."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import NotYet, ParameterError
from runbook_lib.facts.base import Facts
from runbook_lib.facts.network_stack import PendingChange
from runbook_lib.model.commands import Output
from runbook_lib.operations import bridge, firewall
from runbook_lib.operations.commit_confirm import (
    GuardedChange,
    GuardedFile,
    check_revert_after,
    pending,
    refuse_pending,
)
from runbook_lib.operations.commit_confirm_scripts import BOOT_UNIT, BOOT_UNIT_FILE, BOOT_UNIT_LINK, DIRECTORY
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.commands import Command


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Host:
    """A guarded change whose directory on the host is one of the test's."""

    def __init__(self, top: Path, change: GuardedChange) -> None:
        self.top = top
        self.change = change
        self.directory = top / "pending"
        self.log = top / "log"

    def keep(self) -> None:
        """Do what arming does, without the units of systemd."""
        keep, *writes, _boot_unit, _arm = self.change.guard.arm
        self.command(keep)
        for write in writes:
            self.command(write)
        (self.directory / "unconfirmed").touch()

    def command(self, command: Command) -> None:
        stdin = (command.stdin or "").replace(DIRECTORY, str(self.directory))
        replaced = {path: str(self.top / "boot-unit") for path in (BOOT_UNIT_FILE, BOOT_UNIT_LINK)}
        replaced |= {DIRECTORY: str(self.directory), _sha256(command.stdin or ""): _sha256(stdin)}
        argv = [*command.argv]
        for before, after in replaced.items():
            argv = [word.replace(before, after) for word in argv]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False, timeout=deadline(30)
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def script(self, name: str, *arguments: str) -> int:
        done = subprocess.run(
            ["sh", str(self.directory / f"{name}.sh"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=deadline(30),
        )
        return done.returncode


def host(top: Path, *files: GuardedFile, start_new: str = "", restored: tuple[str, ...] = ()) -> Host:
    log = top / "log"
    return Host(
        top,
        GuardedChange(
            files=files,
            restored=restored,
            stop_old=f"echo stop old >> {log}",
            start_new=f"echo start new >> {log}\n{start_new}",
            stop_new=f"echo stop new >> {log}\nfalse",
            start_old=f"echo start old >> {log}\nfalse",
            at_boot=f"echo at boot >> {log}",
        ),
    )


def state(top: Path) -> dict[str, tuple[str, int]]:
    """Everything in the test's directory but the log and what is pending: contents and permissions."""
    return {
        path.name: (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o7777)
        for path in top.iterdir()
        if path.is_file() and path.name != "log"
    }


@pytest.fixture
def example(tmp_path: Path) -> Host:
    """A file to replace, one to make, one to remove, and one that only the lines change."""
    for name, text, mode in (("old", "old\n", 0o640), ("gone", "gone\n", 0o600), ("side", "side\n", 0o644)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(mode)
    return host(
        tmp_path,
        GuardedFile(str(tmp_path / "old"), "old\n", "new\n"),
        GuardedFile(str(tmp_path / "it's new"), None, "made\n", mode="0600"),
        GuardedFile(str(tmp_path / "gone"), "gone\n", None),
        start_new=f"echo changed > {tmp_path}/side; echo made > {tmp_path}/by-the-way",
        restored=(str(tmp_path / "side"), str(tmp_path / "by-the-way")),
    )


def test_files_are_replaced_made_and_removed_and_a_revert_restores_them_all(example: Host) -> None:
    before = state(example.top)
    example.keep()
    assert example.script("apply") == 0
    assert state(example.top) == {
        "old": ("new\n", 0o640),
        "it's new": ("made\n", 0o600),
        "side": ("changed\n", 0o644),
        "by-the-way": ("made\n", 0o644),
    }
    example.script("revert")
    assert state(example.top) == before
    assert example.log.read_text().splitlines() == ["stop old", "start new", "stop new", "start old"]
    assert not example.directory.exists()


def test_a_change_that_fails_half_way_is_an_error_and_can_be_reverted(example: Host) -> None:
    before = state(example.top)
    broken = Host(example.top, GuardedChange((*example.change.files,), "false\necho never >> log", "true"))
    broken.keep()
    assert broken.script("apply") != 0
    assert state(example.top) != before
    broken.script("revert")
    assert state(example.top) == before


def test_a_revert_at_boot_runs_no_line_that_needs_a_running_host(example: Host) -> None:
    before = state(example.top)
    example.keep()
    example.script("apply")
    example.script("revert", "at-boot")
    assert state(example.top) == before
    assert example.log.read_text().splitlines() == ["stop old", "start new", "at boot"]


def test_a_revert_that_a_power_cut_has_ended_is_finished_at_boot_only(example: Host) -> None:
    before = state(example.top)
    example.keep()
    example.script("apply")
    (example.directory / "unconfirmed").rename(example.directory / "reverting")
    example.script("revert")
    assert state(example.top) != before, "another revert is running"
    example.script("revert", "at-boot")
    assert state(example.top) == before


def test_a_file_whose_former_contents_are_lost_is_not_removed_and_the_rest_is_restored(example: Host) -> None:
    example.keep()
    example.script("apply")
    (example.directory / "1.old").unlink()
    assert example.script("revert") == 1
    assert state(example.top)["old"] == ("new\n", 0o640)
    assert state(example.top)["gone"] == ("gone\n", 0o600)
    assert (example.directory / "reverting").exists(), "tried again at the next boot"


def test_nothing_is_applied_once_the_host_has_reverted(example: Host) -> None:
    before = state(example.top)
    example.keep()
    (example.directory / "unconfirmed").unlink()
    assert example.script("apply") != 0
    assert state(example.top) == before


def test_a_confirmed_change_is_not_reverted_and_may_be_confirmed_twice(example: Host) -> None:
    example.keep()
    example.script("apply")
    changed = state(example.top)
    for _ in range(2):
        example.command(example.change.guard.confirm[-1])
    assert example.script("revert") == 0
    assert state(example.top) == changed


def test_a_change_that_is_being_reverted_cannot_be_confirmed(example: Host) -> None:
    example.keep()
    (example.directory / "unconfirmed").rename(example.directory / "reverting")
    with pytest.raises(RuntimeError):
        example.command(example.change.guard.confirm[-1])


def test_a_confirmation_reaches_the_disk_after_the_changed_files_and_before_the_rest_is_removed(
    example: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the marker may be back after a power cut, and the next boot would revert a confirmed change."""
    programs, seen = example.top / "programs", example.top / "programs" / "seen"
    programs.mkdir()
    list_marker = f"ls {example.directory} | grep -c unconfirmed"
    for name, body in {
        "sync": f'echo "$2 $({list_marker})" >> {seen}\nexit 1',  # a disk that fails does not stop it
        "systemctl": "true",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    example.keep()
    example.script("apply")
    example.command(example.change.guard.confirm[-1])
    (example.directory / "timer").write_text("timer\n", encoding="utf-8")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    example.command(example.change.guard.clean_up[-1])
    synced = seen.read_text(encoding="utf-8").splitlines()
    assert synced[-1] == f"{example.directory} 0"
    assert f"{example.top}/old 0" in synced[:-1]
    assert not example.directory.exists()


@pytest.mark.parametrize("marker", ["unconfirmed", "reverting"])
def test_a_pending_change_is_left_alone(example: Host, marker: str) -> None:
    example.directory.mkdir()
    (example.directory / marker).touch()
    with pytest.raises(RuntimeError, match="another change of this host awaits"):
        example.keep()
    assert (example.directory / marker).exists()


def test_what_has_changed_since_it_was_read_is_refused_with_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"caf\xe9\n")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for name, before, problem in (
        ("file", "caf\ufffd\n", "has changed since it was read, or is not UTF-8"),
        ("file", None, "has changed since it was read"),
        ("missing", "text\n", "has been removed since it was read"),
        ("link", "text\n", "is a symbolic link"),
        ("folder", None, "is not a regular file"),
    ):
        refused = host(tmp_path, GuardedFile(str(tmp_path / name), before, "new\n"))
        with pytest.raises(RuntimeError, match=f"{name} {problem}"):
            refused.keep()
        assert not refused.directory.exists()


def test_former_contents_are_for_root_alone(example: Host) -> None:
    example.keep()
    assert example.directory.stat().st_mode & 0o077 == 0
    assert (example.directory / "3.old").stat().st_mode & 0o077 == 0


def test_the_plan_shows_what_changes_and_who_reverts_it(example: Host) -> None:
    plan = example.change.plan()
    assert [(change.before, change.after) for change in plan.changes] == [
        ("old\n", "new\n"),
        (None, "made\n"),
        ("gone\n", None),
    ]
    assert plan.guard
    assert plan.guard.arm[-1].purpose == "unless confirmed, the host reverts in 60 s"
    assert plan == example.change.plan()


def test_the_boot_unit_comes_before_every_daemon_that_a_change_can_concern() -> None:
    before = {
        word for line in BOOT_UNIT.splitlines() if line.startswith("Before=") for word in line[7:].split()
    }
    assert {
        "network-pre.target",
        *(backend.boot_unit for backend in bridge.BACKENDS.values()),
        "ssh.service",
        "sshd.service",
        *(kept.unit for backend in firewall.BACKENDS for kept in backend.files),
    } <= before
    assert "DefaultDependencies=no" in BOOT_UNIT


def test_a_pending_change_refuses_a_plan_for_as_long_as_it_may_take() -> None:
    refuse_pending(Facts({pending(): False}), 60.0)
    with pytest.raises(NotYet, match="awaits its confirmation or revert") as caught:
        refuse_pending(Facts({pending(): True}), 60.0)
    assert caught.value.within == 60.0


@pytest.mark.parametrize("marker", ["", "unconfirmed", "reverting"])
def test_a_change_is_pending_until_it_is_confirmed_or_completely_reverted(
    tmp_path: Path, marker: str
) -> None:
    if marker:
        (tmp_path / marker).touch()
    fact = PendingChange(str(tmp_path / "unconfirmed"), str(tmp_path / "reverting"))
    done = subprocess.run(fact.request().argv, check=False, capture_output=True, text=True)
    assert done.returncode in fact.request().accept
    assert fact.parse(Output(done.returncode, stdout=done.stdout)) == bool(marker)
    assert PendingChange.awaited is True, "what is read before its answer may be from before a revert"


@pytest.mark.parametrize("seconds", [0.0, 4.9, 3601.0, float("nan"), float("inf")])
def test_a_time_that_nobody_can_keep_is_refused(seconds: float) -> None:
    with pytest.raises(ParameterError, match="revert_after is"):
        check_revert_after(seconds, "sshd.option")


def test_a_path_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ParameterError, match="absolute path"):
        GuardedFile("interfaces", None, "")


def test_an_account_writes_its_own_files(tmp_path: Path) -> None:
    """Root would follow a symbolic link that the account puts there."""
    change = host(
        tmp_path, GuardedFile("/home/anna/.ssh/authorized_keys", None, "key\n", account="anna")
    ).change
    keep, _, apply, revert, *_ = change.guard.arm
    assert keep.argv[-4:] == ("1", "/home/anna/.ssh/authorized_keys", "anna", "absent")
    assert "replace 1 /home/anna/.ssh/authorized_keys anna ''" in str(apply.stdin)
    assert "restore 1 /home/anna/.ssh/authorized_keys anna" in str(revert.stdin)
