"""Which process works on which job of a fleet: claim files in a directory that all workers share.

A job is claimed before anything else happens. So a later attempt recognizes that it is one, even if the process of
the earlier attempt died; and one more file stops the whole fleet.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import signal
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib import file_lock
from runbook_lib.atomic import replace_file
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.process_identity import boot_id, start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Claims"]

_POLL = 0.2  # seconds between two checks on an earlier attempt
_STOP = "stop"


class Claims:
    """The claims of one fleet.

    Args:
        path: The fleet's directory, which must exist.

    Raises:
        InputError: The directory does not exist: this machine does not share it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise InputError(
                "the fleet's directory does not exist on this worker",
                where=f"{platform.node()}: {path}",
                hint="set the parameter `runs` to a directory that all workers share",
            )

    @classmethod
    def new(cls, runs: Path) -> Claims:
        """Create a fleet's directory below the directory for runs; its name is the fleet's id.

        Raises:
            EvidenceError: It cannot be created.
        """
        path = runs / ".fleets" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{secrets.token_hex(3)}"
        try:
            path.mkdir(mode=0o700, parents=True)
        except OSError as problem:
            raise EvidenceError(
                f"the fleet's directory cannot be created: {problem.strerror or problem}",
                where=str(path),
                hint="set the parameter `runs` to a writable directory; no host was touched",
            ) from problem
        return cls(path)

    @property
    def runs(self) -> Path:
        """The directory for runs that the fleet's directory was created below."""
        return self.path.parents[1]

    @contextmanager
    def claim(self, job: str) -> Iterator[int]:
        """Claim the next attempt at a job, and hold the claim while the block runs.

        Args:
            job: The job's id.

        Yields:
            The attempt's ordinal, from 1.
        """
        attempt = 1
        while True:
            try:
                file = os.open(self._claim_file(job, attempt), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                attempt += 1
        with os.fdopen(file, "w", encoding="utf-8") as claim:
            file_lock.acquire(claim)
            owner = {
                "machine": platform.node(),
                "pid": os.getpid(),
                "pid_began": start_ticks(os.getpid()),
                "boot": boot_id(),
                "time": datetime.now(UTC).isoformat(),
            }
            json.dump(owner, claim)
            claim.flush()
            yield attempt

    def was_claimed(self, job: str) -> bool:
        """Return whether an attempt at a job was made by a process that shares this directory."""
        return self._claim_file(job, 1).exists()

    def await_earlier(self, job: str, attempt: int) -> None:
        """Wait until no process works on an earlier attempt at a job: it may outlive the worker that started it.

        Once the fleet is stopped, that process is interrupted from here: its parent process may have died.
        """
        for earlier in range(1, attempt):
            with self._claim_file(job, earlier).open(encoding="utf-8") as claim:
                interrupted = False
                while not file_lock.acquire(claim, shared=True, wait=False):
                    if self.stopped and not interrupted:
                        claim.seek(0)
                        interrupted = _interrupt_owner(claim.read())
                    time.sleep(_POLL)

    def record_run(self, job: str, attempt: int, run: Path) -> None:
        """Record the run directory of an attempt, for those who follow its journal."""
        replace_file(self._claim_file(job, attempt).with_suffix(".run"), os.fsencode(run))

    def latest_run(self, job: str) -> Path | None:
        """Return the run directory of the latest attempt at a job; None if no run has started."""
        attempt = 1
        while self._claim_file(job, attempt + 1).exists():
            attempt += 1
        with suppress(OSError):
            return Path(os.fsdecode(self._claim_file(job, attempt).with_suffix(".run").read_bytes()))
        return None

    def stop(self) -> None:
        """Have every run of the fleet interrupted, and no further one started."""
        (self.path / _STOP).touch(mode=0o600)

    @property
    def stopped(self) -> bool:
        """Whether the fleet was stopped."""
        return (self.path / _STOP).exists()

    def _claim_file(self, job: str, attempt: int) -> Path:
        return self.path / f"{job.rpartition('/')[2]}.{attempt}.claim"


def _interrupt_owner(claim: str) -> bool:
    """Send SIGINT to the process that made a claim, if it is certain to be that one and runs on this machine.

    Returns:
        Whether the claim could be read: its owner locks it before writing it.
    """
    try:
        owner = json.loads(claim)
        pid, began = int(owner["pid"]), int(owner["pid_began"])
        here = (owner["machine"], owner["boot"]) == (platform.node(), boot_id())
    except (ValueError, LookupError, TypeError):
        return False  # it has only just been made, or by another version
    if here and began and start_ticks(pid) == began:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    return True
