"""Who carries which unit of a fleet out: files in a directory that all workers see.

An attempt is claimed before anything else is done. So a later attempt knows that it is one, also where whoever
made the earlier one died, and the fleet can be stopped by one more file.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Claims"]

_STOP = "stop"


class Claims:
    """The directory.

    Args:
        path: It must exist: one that a worker does not see is not shared with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise InputError(
                "this worker does not see the fleet's directory",
                where=f"{platform.node()}: {path}",
                hint="let the parameter `runs` name a place that all workers share",
            )

    @classmethod
    def new(cls, runs: Path) -> Claims:
        """Make a fleet's directory below the directory for runs; its name is the fleet's id.

        Raises:
            EvidenceError: It cannot be made.
        """
        path = runs / ".fleets" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{secrets.token_hex(3)}"
        try:
            path.mkdir(mode=0o700, parents=True)
        except OSError as problem:
            raise EvidenceError(
                f"the fleet's directory cannot be made: {problem.strerror or problem}",
                where=str(path),
                hint="name a writable place with the parameter `runs`; no host was touched",
            ) from problem
        return cls(path)

    @contextmanager
    def claim(self, unit: str) -> Iterator[int]:
        """Claim the next attempt at a unit and keep it as long as this process works on it; its number, from 1."""
        told = {"machine": platform.node(), "pid": os.getpid(), "time": datetime.now(UTC).isoformat()}
        attempt = 1
        while True:
            try:
                file = os.open(self._of(unit, attempt), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                attempt += 1
        with os.fdopen(file, "w", encoding="utf-8") as claim:
            fcntl.flock(claim, fcntl.LOCK_EX)
            json.dump(told, claim)
            claim.flush()
            yield attempt

    def await_earlier(self, unit: str, attempt: int) -> None:
        """Wait until nobody works on an earlier attempt at a unit: whoever began it may live on without its starter."""
        for earlier in range(1, attempt):
            with self._of(unit, earlier).open(encoding="utf-8") as claim:
                fcntl.flock(claim, fcntl.LOCK_SH)

    def note(self, unit: str, attempt: int, run: Path) -> None:
        """Note in which directory the attempt's run is, for those who follow it."""
        place = self._of(unit, attempt).with_suffix(".run")
        part = place.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(str(run), encoding="utf-8")
        part.rename(place)

    def run_of(self, unit: str) -> Path | None:
        """Return where the run of the newest attempt at a unit is, if one has begun."""
        attempt = 1
        while self._of(unit, attempt + 1).exists():
            attempt += 1
        with suppress(OSError):
            return Path(self._of(unit, attempt).with_suffix(".run").read_text(encoding="utf-8"))
        return None

    def stop(self) -> None:
        """Have every run of the fleet interrupted, and no further one begun."""
        (self.path / _STOP).touch(mode=0o600)

    @property
    def stopped(self) -> bool:
        """Whether the fleet was stopped."""
        return (self.path / _STOP).exists()

    def _of(self, unit: str, attempt: int) -> Path:
        return self.path / f"{unit.rpartition('/')[2]}.{attempt}.claim"
