"""A network change that the host takes back by itself unless it is confirmed.

Shared by every network stack: it knows which file holds the configuration and two scripts, one that
takes the interfaces down and one that brings them up. The old state comes back in three ways: by
command, by a timer, and, should the host itself go down in between, by a unit early in the next boot.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import NetworkGuard
from runbook_lib.operations import files

__all__ = ["MARKER", "REVERTING", "Swap"]

_PLACE = "/var/lib/runbook/network"
MARKER = f"{_PLACE}/unconfirmed"
"""File on the host that is there from arming to confirmation or revert."""
REVERTING = f"{_PLACE}/reverting"
"""What the marker becomes while the host reverts; gone once it has."""
_KEPT = f"{_PLACE}/before"
_CANDIDATE = f"{_PLACE}/candidate"
_APPLY = f"{_PLACE}/apply.sh"
_REVERT = f"{_PLACE}/revert.sh"
_LOG = f"{_PLACE}/apply.log"
# The unit writes to a file and not to our session: a cut session must not end it with SIGPIPE.
_RUN = 'systemd-run --quiet --collect --wait /bin/sh "$1"; code=$?; cat -- "$2" >&2; exit $code'
_TIMER = "runbook-network-revert"
_BOOT_UNIT = "/etc/systemd/system/runbook-network-boot.service"
_BOOT = f"""\
[Unit]
Description=Put back a network configuration that was never confirmed
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=networking.service network-pre.target
Wants=network-pre.target
ConditionPathExists={MARKER}

[Service]
Type=oneshot
ExecStart=/bin/sh {_REVERT} at-boot

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Swap:
    """One configuration file replaced, with the interfaces down in between.

    Args:
        path: The configuration file.
        after: Its new text.
        down: Shell lines that take the old interfaces down, under the old file.
        up: Shell lines that bring the new ones up, under the new file.
        undo_down: Shell lines that take the new ones down; they must not fail.
        undo_up: Shell lines that bring the old ones up, under the old file.
        timeout: Seconds until the host reverts.
    """

    path: str
    after: str
    down: str
    up: str
    undo_down: str
    undo_up: str
    timeout: float

    @property
    def guard(self) -> NetworkGuard:
        """Return how to arm, confirm and revert."""
        return NetworkGuard(
            arm=(
                Command(("mkdir", "-p", _PLACE), sudo=True),
                Command(("cp", "-a", self.path, _KEPT), sudo=True, purpose="keep the old configuration"),
                files.write(_CANDIDATE, self.after, purpose="the new configuration, not yet in force"),
                files.write(_APPLY, self._apply_script(), purpose="what puts it in force"),
                files.write(_REVERT, self._revert_script(), purpose="what puts the old one back"),
                files.write(_BOOT_UNIT, _BOOT, purpose="the same, should the host go down in between"),
                Command(("systemctl", "daemon-reload"), sudo=True),
                Command(("systemctl", "enable", "--quiet", "runbook-network-boot.service"), sudo=True),
                Command(("touch", MARKER), sudo=True),
                Command(
                    (
                        "systemd-run",
                        "--quiet",
                        "--collect",
                        f"--unit={_TIMER}",
                        f"--on-active={self.timeout:g}",
                        "--timer-property=AccuracySec=1s",  # by default it may fire a minute late
                        "/bin/sh",
                        _REVERT,
                    ),
                    sudo=True,
                    purpose=f"unless confirmed, the host reverts in {self.timeout:g} s",
                ),
            ),
            confirm=(
                # Removing the marker fails where the revert has already begun.
                Command(("rm", "--", MARKER), sudo=True, purpose="confirm: from now on nothing reverts"),
                Command(("systemctl", "stop", f"{_TIMER}.timer"), sudo=True, accept=(0, 5)),
                *_CLEAN_UP,
            ),
            revert=(
                Command(
                    ("systemd-run", "--quiet", "--collect", "--wait", "/bin/sh", _REVERT),
                    sudo=True,
                    timeout=self.timeout / 2,
                    may_cut_connection=True,
                    safe_to_interrupt=False,
                    purpose="put the old configuration back now",
                ),
            ),
            timeout=self.timeout,
        )

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return the change itself: one unit of the host's own systemd, so that a cut session cannot stop it."""
        return (
            Command(
                ("sh", "-c", _RUN, "sh", _APPLY, _LOG),
                sudo=True,
                timeout=self.timeout / 2,
                may_cut_connection=True,
                safe_to_interrupt=False,
                purpose="swap the configuration; the connection may stop for a moment",
            ),
        )

    def _apply_script(self) -> str:
        return f"exec >{_LOG} 2>&1\nset -e\n{self.down}\ncp -- {_CANDIDATE} {self.path}\n{self.up}\n"

    def _revert_script(self) -> str:
        return (
            # Only one of timer, command and boot unit may do it, and none after the confirmation.
            f"mv -- {MARKER} {REVERTING} || exit 0\n"
            f'[ "$1" = at-boot ] || {{ {self.undo_down}\n}}\n'
            f"cp -a -- {_KEPT} {self.path}\n"
            f'[ "$1" = at-boot ] || {{ {self.undo_up}\n}}\n'
            f"rm -rf -- {_PLACE}\n"
            f"rm -f -- {_BOOT_UNIT} /etc/systemd/system/multi-user.target.wants/runbook-network-boot.service\n"
            f'[ "$1" = at-boot ] || systemctl stop {_TIMER}.timer\n'
        )


_CLEAN_UP = (
    Command(("systemctl", "disable", "--quiet", "runbook-network-boot.service"), sudo=True),
    Command(("rm", "-rf", "--", _PLACE, _BOOT_UNIT), sudo=True),
    Command(("systemctl", "daemon-reload"), sudo=True),
)
