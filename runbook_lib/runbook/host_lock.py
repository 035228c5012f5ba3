"""One run at a time changes a host: a lock that lies on the host itself.

A small process on a channel of the run's own connection holds an advisory lock (flock(2)) on a file that names
the run. It ends with the channel, so the lock of a run that died is free; the file still names that run, and
whoever comes next takes the lock over and records it. An orderly end empties the file.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.persistent_process import END_OF_ANSWER, RELEASE
from runbook_lib.errors import HostLocked, Interrupted, OperationError
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change

if TYPE_CHECKING:
    import threading

    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.persistent_process import PersistentProcess
    from runbook_lib.evidence.journal import Journal
    from runbook_lib.model.commands import Output

__all__ = ["LOCK_FILE", "HostLock", "Owner"]

LOCK_FILE = "RUNBOOK_LOCK_FILE"
"""Environment variable that names another lock file on hosts; runs with different ones do not see each other."""

_log = logging.getLogger(__name__)
_FILE = "/run/runbook/lock"
_HELD = 75  # EX_TEMPFAIL of sysexits.h
_PACE = 1.0  # seconds between two tries while another run holds the lock
_WRITES_WITHIN = 0.2  # seconds from having the lock to having named oneself in the file

# Without root there is no place that all users of a host can write safely: each user has a lock of their own.
_HOLD = f"""\
umask 022
file=$1 me=$2 ends=$3
[ -n "$file" ] || file=${{XDG_RUNTIME_DIR:-$HOME}}/.runbook-lock
{{ [ -d "${{file%/*}}" ] || mkdir -p -- "${{file%/*}}"; }} && exec 9>>"$file" || exit 73
if [ -n "$ends" ] && [ "$(sed -n 1p "$file")" = "$ends" ] && grep -qs runbook-lock "/proc/$ends/cmdline"; then
  kill "$ends"; flock -w 5 9
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
    """Who holds a lock.

    Args:
        since: When the run asked for it first, UTC.
    """

    run: str
    host: str
    operator: str
    machine: str
    since: str

    @classmethod
    def of(cls, text: str) -> Owner | None:
        """Return whom a lock file's line names; None where it names nobody."""
        try:
            return cls(**json.loads(text))
        except (json.JSONDecodeError, TypeError):
            return None

    def __str__(self) -> str:
        return f"{self.operator} on {self.machine}, run {self.run}, since {self.since}"


@dataclass(frozen=True)
class _Answer:
    """What the host said: the file, and who was named in it with which process."""

    path: str
    pid: str
    owner: Owner | None

    @classmethod
    def of(cls, text: str) -> _Answer:
        path, pid, line = [*text.removesuffix(f"{END_OF_ANSWER}\n").splitlines(), "", "", ""][:3]
        return cls(path, pid, Owner.of(line))


class HostLock:
    """A run's lock on one host; taken before the first change, and again after each reconnection.

    Args:
        connection: The host.
        owner: This run, as the host shall know it.
        journal: Where it is told what was asked of the host, and what came of it.
        patience: Seconds to wait while another run holds the lock.
        take_over: End the lock of another run instead.
        cancel: Set once the run is interrupted.
    """

    def __init__(  # noqa: PLR0913 - what a lock is made of
        self,
        connection: Connection,
        owner: Owner,
        journal: Journal,
        *,
        patience: float,
        take_over: bool,
        cancel: threading.Event,
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._journal = journal
        self._patience = patience
        self._take_over = take_over
        self._cancel = cancel
        self._sudo = True
        self._holder: PersistentProcess | None = None
        self._shared = False

    def ensure(self, step: int) -> Change | None:
        """Hold the lock, taking it where it is not held (any more).

        Returns:
            What to tell of a lock that was taken from a run that died, or by force; else None.

        Raises:
            HostLocked: Another run holds it, and still did when patience was at its end.
            OperationError: The host cannot lock.
            Interrupted: The run was interrupted while it waited.
            UnreachableError: The host is gone.
        """
        if self._shared or (self._holder is not None and self._holder.alive):
            return None
        if self._holder is not None:
            self._holder.release()
            self._holder = None
        return self._take(step)

    def release(self) -> None:
        """Let go; told in the journal."""
        if self._holder is None:
            return
        orderly = self._holder.alive
        self._holder.release()
        self._holder = None
        self._journal.append("lock_released", host=self._owner.host, orderly=orderly)

    def _take(self, step: int) -> Change | None:
        deadline = time.monotonic() + self._patience
        waiting, ends, tries = False, "", 0
        while True:
            answer, mine = self._ask(step, ends, tell=not waiting)
            forced, tries = bool(ends), tries + 1
            if mine:
                return self._taken(step, answer, forced=forced)
            other = answer.owner
            if other and other.run == self._owner.run and other.host != self._owner.host:
                # This run's own, under another of the host's names: who holds that holds this.
                self._shared = True
                self._tell(step, "shared", answer)
                return None
            ours = other == self._owner  # of a connection that is gone, and the host does not know it yet
            if (ours or self._take_over) and tries <= 2:  # noqa: PLR2004 - the second time by its process id
                ends = answer.pid
            elif tries > 1 and time.monotonic() >= deadline:
                self._refuse(step, answer)
            elif tries > 1 and not waiting:
                waiting = True
                self._tell(step, "waiting", answer)
                _log.warning("%s: waiting for the lock of %s", self._owner.host, other or "another run")
            # The name in the file is only believed once its owner has had time to write it.
            if self._cancel.wait(_PACE if waiting else _WRITES_WITHIN):
                raise Interrupted("stopped while waiting for the host's lock", where=self._owner.host)

    def _ask(self, step: int, ends: str, *, tell: bool) -> tuple[_Answer, bool]:
        output, holder = self._send(step, ends, tell=tell)
        if self._sudo and holder is None and output.exit_code in (1, 127) and "sudo" in output.stderr:
            self._sudo = False
            output, holder = self._send(step, ends, tell=tell)
        self._holder = holder
        if holder is None and output.exit_code != _HELD:
            reason = (output.stderr or output.problem).strip().splitlines()[-1:]
            raise OperationError(
                f"the host cannot be locked (exit code {output.exit_code}): {' '.join(reason)}",
                where=self._owner.host,
                hint="it needs flock (of util-linux), and a user who can write /run/runbook with sudo, or a home",
            )
        return _Answer.of(output.stdout), holder is not None

    def _send(self, step: int, ends: str, *, tell: bool) -> tuple[Output, PersistentProcess | None]:
        file = os.environ.get(LOCK_FILE, _FILE) if self._sudo else os.environ.get(LOCK_FILE, "")
        command = Command(
            ("sh", "-c", _HOLD, "runbook-lock", file, json.dumps(asdict(self._owner)), ends), sudo=self._sudo
        )
        if tell:
            text = self._connection.render(command)
            self._journal.append("lock_asked", step=step, host=self._owner.host, text=text)
        return self._connection.start_persistent(command)

    def _taken(self, step: int, answer: _Answer, *, forced: bool) -> Change | None:
        other = answer.owner if answer.owner != self._owner else None
        forced = forced and other is not None
        self._tell(step, "taken over" if other else "taken", answer, forced=forced)
        if other is None:
            return None
        why = "it was taken from it (take_over)" if forced else "it ended without letting go"
        return Change("the lock on this host", f"{other}; {why}", str(self._owner))

    def _refuse(self, step: int, answer: _Answer) -> None:
        self._tell(step, "refused", answer)
        waited = f" and still did after {self._patience:g} s" if self._patience else ""
        raise HostLocked(
            f"another run is changing this host{waited}: {answer.owner or 'it has not said who it is'}",
            where=self._owner.host,
            hint="wait for it (parameter lock_timeout); where its machine is gone for good, --take-over ends its lock",
        )

    def _tell(self, step: int, outcome: str, answer: _Answer, **more: Any) -> None:  # noqa: ANN401 - any JSON
        other = answer.owner if answer.owner != self._owner else None
        self._journal.append_nowait(
            "lock_answered",
            step=step,
            host=self._owner.host,
            outcome=outcome,
            file=answer.path,
            owner=str(other) if other else None,
            **more,
        )
