"""The commands that set and restore the panic option of a kernel, run by a real shell with a stand-in for grubby."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.operations import panic_option

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.commands import Command

RELEASE = "6.1.100-1.el9.elrepo.x86_64"
# As grubby(8): an added argument replaces those of its name. One line of the file for each entry of the image.
GRUBBY = """case $1 in
--info=/boot/vmlinuz-*)
  while read -r args; do printf 'index=0\\nkernel="%s"\\nargs="%s"\\n' "${1#*=}" "$args"; done < "$PLACE/args" ;;
--update-kernel=/boot/vmlinuz-*)
  [ ! -e "$PLACE/read-only" ] || exit 0
  while read -r args; do
    left=; for word in $args; do case $word in panic|panic=*) ;; *) left="$left $word" ;; esac; done
    case $2 in --args=*) left="$left ${2#*=}" ;; esac
    echo "${left# }"
  done < "$PLACE/args" > "$PLACE/args.new"
  mv "$PLACE/args.new" "$PLACE/args" ;;
*) exit 1 ;;
esac"""


class Host:
    """A directory that stands for the host's."""

    def __init__(self, place: Path, *entries: str) -> None:
        self.place = place
        (place / "grubby").write_text(f"#!/bin/sh\n{GRUBBY}\n", encoding="utf-8")
        (place / "grubby").chmod(0o755)
        self.has(*entries)

    def has(self, *entries: str) -> None:
        (self.place / "args").write_text("".join(f"{args}\n" for args in entries), encoding="utf-8")

    @property
    def args(self) -> list[str]:
        return (self.place / "args").read_text(encoding="utf-8").splitlines()

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in self.place.glob("before*"))

    def send(self, command: Command) -> subprocess.CompletedProcess[str]:
        argv = [word.replace(panic_option.FORMER, f"{self.place}/before") for word in command.argv]
        environment = {"PATH": f"{self.place}:{os.environ['PATH']}", "PLACE": str(self.place)}
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)

    def arm(self, seconds: int = 10) -> None:
        done = self.send(panic_option.set_for_trial(RELEASE, seconds))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert all(args.endswith(f" panic={seconds}") and args.count("panic") == 1 for args in self.args)

    def forget(self) -> str:
        done = self.send(panic_option.restore(RELEASE))
        assert (done.returncode, done.stderr) == (0, "")
        assert self.kept == []
        return done.stdout


@pytest.mark.parametrize(
    "args", ["ro quiet", "ro quiet panic=30", "ro quiet panic=-1", "ro quiet panic=30 panic=5"]
)
def test_the_former_option_is_restored(tmp_path: Path, args: str) -> None:
    host = Host(tmp_path, args)
    host.arm()
    assert host.kept == [f"before-{RELEASE}"]
    assert host.forget() == ""
    assert host.args == [args]


def test_without_a_trial_an_option_of_the_administrator_stays(tmp_path: Path) -> None:
    host = Host(tmp_path, "ro panic=30 quiet")
    assert host.forget() == ""
    assert host.args == ["ro panic=30 quiet"]


def test_what_an_earlier_trial_left_is_not_taken_for_the_former_option(tmp_path: Path) -> None:
    """The run was killed, and the next one tries the kernel again, with another time and then with the first."""
    host = Host(tmp_path, "ro panic=30")
    for seconds in (10, 20, 10, 5):
        host.arm(seconds)
    host.forget()
    assert host.args == ["ro panic=30"]


def test_an_option_that_someone_set_after_a_trial_is_the_former_one_of_the_next(tmp_path: Path) -> None:
    host = Host(tmp_path, "ro")
    host.arm()
    host.has("ro panic=60")
    host.arm()
    host.forget()
    assert host.args == ["ro panic=60"]


def test_an_option_that_someone_has_set_since_is_left_as_it_is(tmp_path: Path) -> None:
    host = Host(tmp_path, "ro")
    host.arm()
    host.has("ro panic=60")
    assert host.forget() == f"/boot/vmlinuz-{RELEASE} has panic=60, not set by a trial: left as it is\n"
    assert host.args == ["ro panic=60"]


def test_a_trial_that_was_armed_in_part_is_undone(tmp_path: Path) -> None:
    """The host went down between the note and grubby."""
    host = Host(tmp_path, "ro panic=30")
    (tmp_path / "read-only").touch()
    done = host.send(panic_option.set_for_trial(RELEASE, 10))
    assert done.returncode == 1
    assert done.stderr == f"grubby did not set panic=10 for /boot/vmlinuz-{RELEASE}\n"
    host.forget()
    assert host.args == ["ro panic=30"]


def test_a_restored_option_that_is_not_there_fails(tmp_path: Path) -> None:
    host = Host(tmp_path, "ro")
    host.arm()
    (tmp_path / "read-only").touch()
    done = host.send(panic_option.restore(RELEASE))
    assert done.returncode == 1
    assert "did not restore the absence of a panic option" in done.stderr
    assert host.kept


@pytest.mark.parametrize("entries", [(), ("ro panic=30", "ro")], ids=["no entry", "entries that differ"])
def test_nothing_is_changed_if_the_former_option_is_not_known(
    tmp_path: Path, entries: tuple[str, ...]
) -> None:
    host = Host(tmp_path, *entries)
    done = host.send(panic_option.set_for_trial(RELEASE, 10))
    assert done.returncode == 1
    assert done.stderr == f"grubby does not say which panic option /boot/vmlinuz-{RELEASE} has\n"
    assert (host.args, host.kept) == ([*entries], [])


def test_entries_of_the_same_image_are_changed_together(tmp_path: Path) -> None:
    host = Host(tmp_path, "ro panic=30", "ro single panic=30")
    host.arm()
    host.forget()
    assert host.args == ["ro panic=30", "ro single panic=30"]
