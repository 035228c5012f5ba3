"""A change that the host reverts by itself unless it is confirmed, for whatever could lock us out.

Independent of what is changed: it is given files, and shell lines that make them effective. The former state is
restored in three ways: by command, by a timer, and, if the host itself goes down in between, by a systemd unit early in
the next boot. An operation plans with `GuardedChange(...).plan()`, asks for the fact `pending()`, and begins its plan
with `refuse_pending`. See docs/decisions/0003-network-changes-revert-by-themselves.md.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import NotYet, ParameterError
from runbook_lib.facts.network_stack import PendingChange
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, NetworkGuard, NewIdentity, Plan
from runbook_lib.operations import commit_confirm_scripts as scripts
from runbook_lib.operations import file_commands, files

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts

__all__ = ["GuardedChange", "GuardedFile", "check_revert_after", "pending", "refuse_pending"]

_SHORTEST, _LONGEST = 5.0, 3600.0


def check_revert_after(seconds: float, where: str) -> None:
    """Refuse a time that is too short for a new connection and the checks, or so long that nobody waits for it.

    Args:
        seconds: Until the host reverts an unconfirmed change.
        where: The operation, for the message.

    Raises:
        ParameterError: It is less than 5 s or more than an hour.
    """
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ParameterError(
            f"revert_after is {seconds:g} s",
            where=where,
            hint=f"give {_SHORTEST:g} to {_LONGEST:g} s: time for the change, a new connection and the checks",
        )


def pending() -> PendingChange:
    """Return the fact that shows a pending change; an operation lists it before all facts that a revert changes."""
    return PendingChange(scripts.MARKER, scripts.REVERTING)


def refuse_pending(facts: Facts, revert_after: float) -> None:
    """Refuse to plan, even if all checks hold: the host may be about to restore its former configuration.

    Args:
        facts: With that of `pending()`.
        revert_after: Seconds within which a pending change is likely to be over.

    Raises:
        NotYet: A change of this host is pending; mode `apply` waits and plans again.
    """
    if facts[pending()]:
        raise NotYet(
            "an earlier change under commit-confirm still awaits its confirmation or revert",
            within=revert_after,
            hint="wait until the host has reverted it (a minute or two), then run this again; if it stays: "
            f"`journalctl -u 'runbook-*'` and {scripts.DIRECTORY} on the host",
        )


@dataclass(frozen=True)
class GuardedFile:
    """A file that a guarded change makes, replaces or removes.

    Args:
        path: Absolute path; its directory exists when the file is written. Symbolic links are refused on the host.
        before: Its text as the facts have it; None if there is no file. Arming fails if the host has something else.
        after: Its new text; None: it is removed.
        mode: Permissions, octal; empty: those it has, and 0644 for a new file.
        account: The account whose directory it is in, such as a home directory: the file is read and written as that
            account. Empty: root; an existing file keeps its owner.
    """

    path: str
    before: str | None
    after: str | None
    mode: str = ""
    account: str = ""

    def __post_init__(self) -> None:
        """Refuse what is not a path."""
        file_commands.check_path(self.path)


@dataclass(frozen=True)
class GuardedChange:
    """Replaces files and makes them effective; reverted by the host unless confirmed.

    The lines are for the host's `sh`, as root; they must not call `exit`. Forward, an error ends the change, which is
    then reverted; in the revert, an error ends nothing. The order forward: `stop_old`, files, `start_new`. The order of
    the revert: `stop_new`, files, `start_old`; at boot: files, `at_boot`.

    Args:
        files: In the order in which they are written.
        start_new: Makes the new files effective, such as `networkctl reload`.
        start_old: Makes the restored files effective, in a revert on the running host.
        stop_old: Needed before the files are replaced, such as `ifdown`.
        stop_new: Needed before the files are restored, in a revert on the running host.
        at_boot: Needed once the files are restored at boot, such as `netplan generate`; without D-Bus, and before any
            network daemon.
        restored: Paths of further files that the lines themselves may change or make, restored like `files`.
        preflight: Commands that judge the new state before anything is prepared on the host, such as `sshd -t`; if one
            fails, nothing was changed.
        persist: Commands over the new connection between the checks and the confirmation, such as those that save a
            profile that is only in memory. If one fails, the change is reverted.
        identity: A private key of this machine that the change authorizes, if the new connection needs it.
        timeout: Seconds until the host reverts.
    """

    files: tuple[GuardedFile, ...]
    start_new: str
    start_old: str
    stop_old: str = ""
    stop_new: str = ""
    at_boot: str = ""
    restored: tuple[str, ...] = ()
    preflight: tuple[Command, ...] = ()
    persist: tuple[Command, ...] = ()
    identity: NewIdentity | None = None
    timeout: float = 60.0

    def plan(self) -> Plan:
        """Return the whole plan: the change, what it changes for the reader, and the guard."""
        return Plan(
            commands=self.commands,
            changes=tuple(
                Change(file.path, file.before, file.after) for file in self.files if file.before != file.after
            ),
            guard=self.guard,
        )

    @property
    def guard(self) -> NetworkGuard:
        """Return how to arm, confirm and revert."""
        places = (scripts.DIRECTORY, scripts.BOOT_UNIT_FILE, scripts.BOOT_UNIT_LINK)
        clean_up = Command(
            ("sh", "-c", scripts.CLEAN_UP, "sh", *places, *self._paths),
            sudo=True,
            purpose="write the change to the disk, and remove the timer, the boot unit and the scripts",
        )
        return NetworkGuard(
            arm=self._arm,
            confirm=(
                *self.persist,
                Command(
                    ("sh", "-c", scripts.CONFIRM, "sh", scripts.MARKER, scripts.CONFIRMED),
                    sudo=True,
                    purpose="confirm: from now on nothing is reverted",
                ),
            ),
            revert=(
                Command(
                    ("systemd-run", *scripts.UNIT_OPTIONS, "--wait", "/bin/sh", scripts.REVERT_SCRIPT),
                    sudo=True,
                    timeout=self.timeout / 2,
                    may_cut_connection=True,
                    safe_to_interrupt=False,
                    purpose="restore the former configuration now",
                ),
            ),
            timeout=self.timeout,
            clean_up=(clean_up,),
            preflight=self.preflight,
            identity=self.identity,
        )

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return the change itself: a unit of the host's systemd, so that a lost session cannot stop it."""
        # The unit is over before the timer fires: change and revert never run at the same time.
        limit = f"--property=RuntimeMaxSec={self.timeout / 2:g}"
        return (
            Command(
                (
                    *("sh", "-c", scripts.RUN, "sh", scripts.APPLY_SCRIPT, scripts.APPLY_LOG),
                    *scripts.UNIT_OPTIONS,
                    limit,
                ),
                sudo=True,
                timeout=self.timeout / 2,
                may_cut_connection=True,
                safe_to_interrupt=False,
                purpose="replace the configuration; the connection may be interrupted for a moment",
            ),
        )

    @property
    def _arm(self) -> tuple[Command, ...]:
        kept = [
            word
            for number, file in self._numbered()
            for word in (str(number), file.path, file.account, _sha256(file.before))
        ]
        further = [
            word
            for number, path in enumerate(self.restored, 1 + len(self.files))
            for word in (str(number), path, "", "any")
        ]
        return (
            Command(
                ("sh", "-c", scripts.KEEP, "sh", scripts.DIRECTORY, *kept, *further),
                sudo=True,
                purpose="keep the present files, for the revert",
            ),
            *(
                files.write(
                    scripts.candidate(number),
                    file.after,
                    mode="0600",
                    purpose=f"the new {file.path}, not yet active",
                )
                for number, file in self._numbered()
                if file.after is not None
            ),
            files.write(
                scripts.APPLY_SCRIPT, self._apply_script(), purpose="the script that makes the change"
            ),
            files.write(
                scripts.REVERT_SCRIPT,
                self._revert_script(),
                purpose="the script that restores the former state",
            ),
            files.write(
                scripts.BOOT_UNIT_FILE,
                scripts.BOOT_UNIT,
                purpose="restores it at boot if the host goes down in between",
            ),
            Command(
                (
                    *("sh", "-c", scripts.ARM, "sh", scripts.DIRECTORY, scripts.REVERT_SCRIPT),
                    *(
                        f"{self.timeout:g}",
                        scripts.BOOT_UNIT_FILE,
                        scripts.BOOT_UNIT_LINK,
                        *scripts.UNIT_OPTIONS,
                    ),
                ),
                sudo=True,
                purpose=f"unless confirmed, the host reverts in {self.timeout:g} s",
            ),
        )

    @property
    def _paths(self) -> tuple[str, ...]:
        return (*(file.path for file in self.files), *self.restored)

    def _numbered(self) -> enumerate[GuardedFile]:
        return enumerate(self.files, 1)

    def _apply_script(self) -> str:
        swaps = [
            f"rm -f -- {shlex.quote(file.path)}"
            if file.after is None
            else shlex.join(("replace", str(number), file.path, file.account, file.mode))
            for number, file in self._numbered()
        ]
        return scripts.apply_script(self.stop_old, swaps, self.start_new)

    def _revert_script(self) -> str:
        further = enumerate(self.restored, 1 + len(self.files))
        restored = [
            *(("restore", str(number), file.path, file.account) for number, file in self._numbered()),
            *(("restore", str(number), path, "") for number, path in further),
        ]
        return scripts.revert_script(
            stop_new=self.stop_new,
            restores=[shlex.join(words) for words in restored],
            at_boot=self.at_boot,
            start_old=self.start_old,
            paths=shlex.join(self._paths),
        )


def _sha256(text: str | None) -> str:
    return "absent" if text is None else hashlib.sha256(text.encode()).hexdigest()
