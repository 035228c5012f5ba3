"""A lock on the host itself, so that only one run at a time changes the host.

A small process on a channel of the run's own connection holds an advisory lock (flock(2)) on a file that names
the run. The process exits with the channel, so the lock of a run that died is free; the file still names that run,
and the next run takes over the lock and records that. An orderly release empties the file.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runbook_lib.connections.persistent_process import END_OF_ANSWER, RELEASE
from runbook_lib.errors import HostLocked, Interrupted, OperationError
from runbook_lib.evidence import events
from runbook_lib.grace_periods import LOCK_TAKEOVER, PERSISTENT_PROCESS_ANSWER
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change
from runbook_lib.readable_time import local_time_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.evidence.events import LockOutcome
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.model.commands import Output
    from runbook_lib.runbook.steps.deadline import Deadline

__all__ = ["LOCK_FILE", "HostLock", "Owner"]

LOCK_FILE = "RUNBOOK_LOCK_FILE"
"""Environment variable with another path for the lock file; runs with different paths do not exclude each other."""

_log = logging.getLogger(__name__)
_FILE = "/run/runbook/lock"
_HELD = 75  # EX_TEMPFAIL of sysexits.h
_WAITING = "stopped while waiting for the host's lock"
_POLL_INTERVAL = 1.0  # seconds between two attempts while another run holds the lock
_WRITES_WITHIN = 0.2  # seconds from acquiring the lock to having written the owner into the file

# Without root no file can be written safely by all users of a host: each user has a separate lock.
# flock(2) works on a file that is open for reading: any user who can open the file could hold the lock for ever.
_HOLD = f"""\
umask 077
file=$1 me=$2 old=$3 own_directory=$4
[ -n "$file" ] || file=${{XDG_RUNTIME_DIR:-$HOME}}/.runbook-lock$5
directory=${{file%/*}}
foreign() {{ echo "$1 is a link or belongs to another user" >&2; exit 73; }}
[ -d "$directory" ] || mkdir -p -- "$directory" || exit 73
if [ -n "$own_directory" ]; then
  [ -O "$directory" ] && [ ! -L "$directory" ] || foreign "$directory"
  chmod 700 "$directory" || exit 73
fi
[ ! -L "$file" ] || foreign "$file"
exec 9>>"$file" || exit 73
[ -O "$file" ] || foreign "$file"
chmod 600 "$file" || exit 73
if [ -n "$old" ] && [ "$(sed -n 1p "$file")" = "$old" ] && grep -qs runbook-lock "/proc/$old/cmdline"; then
  kill "$old"; flock -w {LOCK_TAKEOVER} 9
else
  flock -n 9
fi
code=$?
pid= owner=
{{ IFS= read -r pid; IFS= read -r owner; }} <"$file"
[ $code -eq 1 ] && code={_HELD}
[ $code -eq 0 ] && printf '%s\\n%s\\n' "$$" "$me" >"$file"
printf '%s\\n%s\\n%s\\n' "$file" "$pid" "$owner"
[ $code -eq 0 ] || exit $code
echo {END_OF_ANSWER}
read -r word && [ "$word" = {RELEASE} ] && : >"$file"
exit 0
"""


@dataclass(frozen=True)
class Owner:
    """The run that holds a lock.

    Args:
        since: Start of the run, UTC.
    """

    run: str
    host: str
    operator: str
    machine: str
    since: str

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that a lock file's line names; None if it names none."""
        try:
            owner = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        return owner if all(isinstance(value, str) for value in vars(owner).values()) else None

    def __str__(self) -> str:
        return f"{self.operator} on {self.machine}, run {self.run}, since {local_time_of(self.since)}"


@dataclass(frozen=True)
class _Answer:
    """The host's answer: the lock file's path, and the process and owner that the file named."""

    path: str
    pid: str
    owner: Owner | None

    @classmethod
    def parse(cls, text: str) -> _Answer:
        path, pid, line = [*text.removesuffix(f"{END_OF_ANSWER}\n").splitlines(), "", "", ""][:3]
        return cls(path, pid, Owner.parse(line))


class HostLock:
    """A run's lock on one host; acquired before the first change, and again after each reconnection.

    Args:
        connection: The connection to the host.
        owner: This run, as written into the lock file.
        journal: Gets an entry for each attempt and its outcome.
        timeout: Seconds to wait while another run holds the lock.
        take_over: End the lock of another run instead of waiting.
        resumes: The run that this one resumes; empty: none. Its process has been found dead, so its lock, if the host
            has not noticed that yet, is ended as our own would be.
        cancel: Set once the run is interrupted.
        stop_without_parent: Raises `Interrupted` with a given message once the run's parent process has exited.
    """

    def __init__(  # noqa: PLR0913 - all that a lock depends on
        self,
        connection: Connection,
        owner: Owner,
        journal: Journal,
        *,
        timeout: float,
        take_over: bool,
        resumes: str,
        cancel: threading.Event,
        stop_without_parent: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._journal = journal
        self._timeout = timeout
        self._take_over = take_over
        self._resumes = resumes
        self._cancel = cancel
        self._stop_without_parent = stop_without_parent
        self._sudo = True
        self._holder: PersistentProcess | None = None
        self._shared = False

    def ensure(self, step: int, deadline: Deadline | None = None) -> Change | None:
        """Acquire the lock unless it is held already.

        Args:
            step: The step's number.
            deadline: When the step must be finished.

        Returns:
            A change for the record if the lock was taken over, from a run that died or by force; otherwise None.

        Raises:
            HostLocked: Another run still held the lock at the end of the timeout.
            OperationError: The host has no way to lock.
            Interrupted: The run was interrupted while waiting, or its parent process has exited.
            DeadlinePassed: The deadline passed while waiting.
            UnreachableError: The host cannot be reached.
        """
        if self._shared or (self._holder is not None and self._holder.alive):
            return None
        if self._holder is not None:
            self._holder.release()
            self._holder = None
        return self._acquire(step, deadline)

    def release(self) -> None:
        """Release the lock, with an entry in the journal."""
        if self._holder is None:
            return
        orderly = self._holder.alive
        self._holder.release()
        self._holder = None
        events.lock_released(self._journal, self._owner.host, orderly=orderly)

    def _acquire(self, step: int, deadline: Deadline | None) -> Change | None:
        give_up = time.monotonic() + self._timeout
        waiting, kill_pid, tries = False, "", 0
        while True:
            self._stop_without_parent(_WAITING)  # each time: the wait may be long
            answer, acquired = self._ask(step, kill_pid, deadline, journaled=not waiting)
            forced, tries = bool(kill_pid), tries + 1
            if acquired:
                return self._acquired(step, answer, forced=forced)
            other = answer.owner
            if other and other.run == self._owner.run and other.host != self._owner.host:
                # This run holds it already, under another name of the same host.
                self._shared = True
                self._journal_answer(step, "shared", answer)
                return None
            # On a lost connection that the host has not noticed yet.
            ours = other == self._owner or self._is_resumed(other)
            if (ours or self._take_over) and tries <= 2:  # noqa: PLR2004 - the second attempt kills it by process id
                kill_pid = answer.pid
            elif tries > 1 and time.monotonic() >= give_up:
                self._refuse(step, answer)
            elif tries > 1 and not waiting:
                waiting = True
                self._journal_answer(step, "waiting", answer)
                _log.warning("%s: waiting for the lock of %s", self._owner.host, other or "another run")
            # The file is only trusted once the new owner has had time to write it.
            if self._cancel.wait(_POLL_INTERVAL if waiting else _WRITES_WITHIN):
                raise Interrupted(_WAITING, where=self._owner.host)
            if deadline and deadline.passed:
                raise deadline.error(_WAITING, self._owner.host)

    def _ask(
        self, step: int, kill_pid: str, deadline: Deadline | None, *, journaled: bool
    ) -> tuple[_Answer, bool]:
        output, holder = self._send(step, kill_pid, deadline, journaled=journaled)
        if self._sudo and holder is None and output.refused:
            self._sudo = False
            output, holder = self._send(step, kill_pid, deadline, journaled=journaled)
        self._holder = holder
        if holder is None and output.exit_code is None and self._cancel.is_set():
            raise Interrupted(f"stopped while locking the host: {output.problem}", where=self._owner.host)
        if holder is None and output.exit_code != _HELD:
            reason = (output.stderr or output.problem).strip().splitlines()[-1:]
            raise OperationError(
                f"the host cannot be locked (exit code {output.exit_code}): {' '.join(reason)}",
                where=self._owner.host,
                hint="locking needs flock (util-linux), and a user with sudo or with a home directory",
            )
        return _Answer.parse(output.stdout), holder is not None

    def _send(
        self, step: int, kill_pid: str, deadline: Deadline | None, *, journaled: bool
    ) -> tuple[Output, PersistentProcess | None]:
        # What is acted on from a host has a lock of its own there: runs that act on other things do not wait for it.
        acts_on = self._connection.host.acts_on
        suffix = f"-{acts_on}" if acts_on else ""
        standard = f"{_FILE}{suffix}"
        file = os.environ.get(LOCK_FILE, standard) if self._sudo else os.environ.get(LOCK_FILE, "")
        own_directory = "yes" if file == standard else ""
        command = Command(
            (
                "sh",
                "-c",
                _HOLD,
                "runbook-lock",
                file,
                json.dumps(asdict(self._owner)),
                kill_pid,
                own_directory,
                *([suffix] if suffix else []),
            ),
            sudo=self._sudo,
            timeout=min(PERSISTENT_PROCESS_ANSWER, deadline.left) if deadline else PERSISTENT_PROCESS_ANSWER,
        )
        if journaled:
            text = self._connection.render(command)
            events.lock_asked(self._journal, step, self._owner.host, text)
        return self._connection.start_persistent(command, self._cancel)

    def _acquired(self, step: int, answer: _Answer, *, forced: bool) -> Change | None:
        other = answer.owner if answer.owner != self._owner else None
        forced = forced and other is not None and not self._is_resumed(other)
        self._journal_answer(step, "taken over" if other else "taken", answer, forced=forced)
        if other is None:
            return None
        why = "its lock was taken over (take_over)" if forced else "it exited without releasing the lock"
        return Change("the lock on this host", f"{other}; {why}", str(self._owner))

    def _is_resumed(self, other: Owner | None) -> bool:
        """Return whether an owner is the run that this one resumes; only on its own machine is it known to be dead."""
        return bool(
            self._resumes and other and (other.run, other.machine) == (self._resumes, self._owner.machine)
        )

    def _refuse(self, step: int, answer: _Answer) -> None:
        self._journal_answer(step, "refused", answer)
        waited = f" (waited {self._timeout:g} s)" if self._timeout else ""
        raise HostLocked(
            f"another run is changing this host{waited}: {answer.owner or 'an unknown run'}",
            where=self._owner.host,
            hint="wait for that run (parameter lock_timeout); if its machine is gone for good, use --take-over",
        )

    def _journal_answer(
        self, step: int, outcome: LockOutcome, answer: _Answer, *, forced: bool | None = None
    ) -> None:
        other = answer.owner if answer.owner != self._owner else None
        events.lock_answered(
            self._journal,
            step,
            self._owner.host,
            outcome=outcome,
            file=answer.path,
            owner=str(other) if other else None,
            forced=forced,
        )
