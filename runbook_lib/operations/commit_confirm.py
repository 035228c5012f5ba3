"""A network change that the host reverts by itself unless it is confirmed.

Independent of the network stack: it is given the configuration file and the shell lines that take interfaces down
and bring them up. The old state is restored in three ways: by command, by a timer, and, if the host itself goes down
in between, by a systemd unit early in the next boot.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.model.commands import Command
from runbook_lib.model.plans import NetworkGuard
from runbook_lib.operations import files

__all__ = ["MARKER", "REVERTING", "Swap"]

_PLACE = "/var/lib/runbook/network"
MARKER = f"{_PLACE}/unconfirmed"
"""File on the host that exists from arming to confirmation or revert."""
REVERTING = f"{_PLACE}/reverting"
"""The marker's new name while the host reverts; removed afterwards."""
_KEPT = f"{_PLACE}/before"
_CANDIDATE = f"{_PLACE}/candidate"
_APPLY = f"{_PLACE}/apply.sh"
_REVERT = f"{_PLACE}/revert.sh"
_LOG = f"{_PLACE}/apply.log"
# The unit writes to a file, not to our session: a lost session must not kill it with SIGPIPE.
_RUN = 'systemd-run --quiet --collect --wait /bin/sh "$1"; code=$?; cat -- "$2" >&2; exit $code'
_TIMER = "runbook-network-revert"
_BOOT_UNIT = "/etc/systemd/system/runbook-network-boot.service"
_BOOT = f"""\
[Unit]
Description=Restore the network configuration before an unconfirmed change
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
    """Replaces a configuration file while the interfaces are down.

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
                files.write(_CANDIDATE, self.after, purpose="the new configuration, not yet active"),
                files.write(_APPLY, self._apply_script(), purpose="the script that activates it"),
                files.write(
                    _REVERT, self._revert_script(), purpose="the script that restores the old configuration"
                ),
                files.write(
                    _BOOT_UNIT, _BOOT, purpose="restores it at boot if the host goes down in between"
                ),
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
                # Removing the marker fails if the revert has already started.
                Command(("rm", "--", MARKER), sudo=True, purpose="confirm: from now on nothing is reverted"),
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
                    purpose="restore the old configuration now",
                ),
            ),
            timeout=self.timeout,
        )

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return the change itself: a unit of the host's systemd, so that a lost session cannot stop it."""
        return (
            Command(
                ("sh", "-c", _RUN, "sh", _APPLY, _LOG),
                sudo=True,
                timeout=self.timeout / 2,
                may_cut_connection=True,
                safe_to_interrupt=False,
                purpose="replace the configuration; the connection may be interrupted for a moment",
            ),
        )

    def _apply_script(self) -> str:
        return f"exec >{_LOG} 2>&1\nset -e\n{self.down}\ncp -- {_CANDIDATE} {self.path}\n{self.up}\n"

    def _revert_script(self) -> str:
        return (
            # Only one of timer, command and boot unit may revert, and none after the confirmation.
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
