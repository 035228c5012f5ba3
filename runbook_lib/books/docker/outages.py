"""What a client sees while a part of the path to the redis is gone: an ambassador, the server, its host (book S6)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pandas as pd

from runbook_lib.books.docker import load
from runbook_lib.facts.redis_watch import ERRORS, RedisWatch
from runbook_lib.operations import outage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runbook_lib.books.docker.parameters import PathLoad
    from runbook_lib.host_settings import Host
    from runbook_lib.model.records import StepRecord
    from runbook_lib.operations.base import Operation

__all__ = ["COLUMNS", "PARTS", "host_of", "restored", "seen", "stopped", "table"]

PARTS = ("client-ambassador", "server-ambassador", "server", "server-host")
"""What is stopped, in this order."""
COLUMNS = ("asked", *ERRORS, "longest_gap_s", "first_answer_after_s")
"""Columns of `table`: PINGs, errors by kind, and seconds."""
_AMBASSADOR = "redis_ambassador"
_AFTERWARDS = 20  # seconds: an engine may take some to start containers
_LONGER = (
    120  # seconds: the hosts of a swarm that have lost each other take half a minute to find each other again
)


def host_of(p: PathLoad, part: str) -> str:
    """Return the host on which a part is stopped.

    Args:
        p: The runbook's parameters.
        part: One of `PARTS`.
    """
    return p.client if part == "client-ambassador" else p.server


def stopped(p: PathLoad, part: str, found: StepRecord) -> Callable[[Host], Operation]:
    """Return, for the host on which a part is stopped, its outage.

    Args:
        p: The runbook's parameters.
        part: One of `PARTS`.
        found: The step that read what leads to the redis.
    """
    return functools.partial(_stopped, p, part, found)


def _stopped(p: PathLoad, part: str, found: StepRecord, host: Host) -> Operation:
    if part == "server-host":
        return outage.network(p.card, host.port, p.outage)
    return outage.containers(_containers(p, part, found), p.outage)


def restored(p: PathLoad, part: str, found: StepRecord) -> outage.Over:
    """Return the check that a part is as before; see `stopped`."""
    return outage.over(() if part == "server-host" else _containers(p, part, found))


def seen(p: PathLoad, part: str, found: StepRecord) -> RedisWatch:
    """Return what the client sees meanwhile, by each path; see `stopped`."""
    seconds = outage.DELAY + p.outage + _AFTERWARDS
    return RedisWatch(load.across(p, found).paths, seconds, part, _LONGER)


def table(steps: Mapping[str, StepRecord]) -> pd.DataFrame:
    """Return what the clients saw, by the part that was stopped and by path.

    Args:
        steps: The steps that observed, by part.
    """
    rows = [
        {
            "stopped": part,
            "path": watch["path"],
            "asked": watch["asked"],
            **{kind: watch["errors"].get(kind, 0) for kind in ERRORS},
            "longest_gap_s": watch["longest_gap"],
            "first_answer_after_s": watch["first_answer_after"],
        }
        for part, step in steps.items()
        for host in step.hosts
        for watched in RedisWatch.recorded(host.facts).values()
        for watch in watched
    ]
    return pd.DataFrame(rows, columns=["stopped", "path", *COLUMNS]).set_index(["stopped", "path"])


def _containers(p: PathLoad, part: str, found: StepRecord) -> tuple[str, ...]:
    """Return the containers of a part: of the server, every redis that a path leads to."""
    if part != "server":
        return (_AMBASSADOR,)
    return tuple(name for name in load.redises(p) if name == load.REDIS or load.runs(found, name))
