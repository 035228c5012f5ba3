"""The history of hosts and of outcomes over time, from the archive's tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.facts.docker_engine import EngineInfo, EngineVersion
from runbook_lib.facts.interfaces import Interfaces
from runbook_lib.facts.kernel import Kernel
from runbook_lib.model.status import BAD, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["HostHistory", "Period", "StateChange", "hosts", "periods", "runs"]

Row = dict[str, Any]
_RUNS = """
SELECT r.run, r.runbook, r.title, r.mode, r.status, r.started, r.duration, r.hosts, r.operator, r.incomplete,
       f.kind, f.path, f.sha256, f.problem
FROM runs r JOIN files f ON f.run = r.run AND f.kind <> 'copy' ORDER BY r.started DESC NULLS FIRST, r.run
"""
_FACTS = f"""
SELECT s.host, s.run, s.started, s.facts FROM steps s
WHERE s.facts <> '{{}}' AND s.started IS NOT NULL
  AND ({" OR ".join(f"contains(s.facts, '{fact.id}')" for fact in (Kernel, EngineVersion, EngineInfo, Interfaces))})
ORDER BY s.host, s.started
"""  # noqa: S608 - the ids are our own
_MOST_BARS = 60


@dataclass(frozen=True)
class Period:
    """How many runs of a period had each outcome.

    Args:
        begin: When it begins.
        succeeded: `ok` and `changed`.
        not_applied: `planned` and `skipped`: nothing was done.
        not_successful: `failed`, `unreachable` and `interrupted`.
        unknown: `unknown`.
    """

    begin: datetime
    succeeded: int
    not_applied: int
    not_successful: int
    unknown: int

    @property
    def total(self) -> int:
        """All runs of the period."""
        return self.succeeded + self.not_applied + self.not_successful + self.unknown


@dataclass(frozen=True)
class StateChange:
    """A value of a host that a run recorded and that differs from the value recorded before."""

    at: datetime
    what: str
    before: str
    after: str
    run: str


@dataclass
class HostHistory:
    """A host's history.

    Args:
        name: The host's name.
        runs: Its runs, newest first.
        current: The values recorded last: kernel, Docker, bridges.
        changes: What changed, newest first.
    """

    name: str
    runs: list[Row] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)
    changes: list[StateChange] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many runs did not succeed."""
        return sum(row["status"] in BAD for row in self.runs)


def runs(archive: Archive) -> list[Row]:
    """Return the runs, newest first; `previous` is the last run before it of the same runbook on the same hosts."""
    found: list[Row] = archive.query(_RUNS).to_pylist()
    last: dict[tuple[str, str], str] = {}
    for row in reversed(found):
        key = (row["runbook"], row["hosts"])
        row["previous"] = last.get(key) if row["mode"] else None
        if row["mode"]:
            last[key] = row["run"]
    return found


def hosts(archive: Archive, found: list[Row]) -> list[HostHistory]:
    """Return each host's history, by name."""
    histories: dict[str, HostHistory] = {}
    for row in found:
        for name in filter(None, row["hosts"].split(",")):
            histories.setdefault(name, HostHistory(name)).runs.append(row)
    for row in archive.query(_FACTS).to_pylist():
        history = histories.setdefault(row["host"], HostHistory(row["host"]))
        for what, value in _values(orjson.loads(row["facts"])):
            before = history.current.get(what)
            if before != value:
                history.changes.insert(0, StateChange(row["started"], what, before or "", value, row["run"]))
                history.current[what] = value
    return [history for _, history in sorted(histories.items())]


def periods(found: list[Row]) -> list[Period]:
    """Return the outcomes over time, in at most 60 periods of whole days."""
    times = [row["started"].astimezone(UTC) for row in found if row["started"]]
    if not times:
        return []
    first = min(times).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (max(times) - first).days + 1
    length = timedelta(days=-(-days // _MOST_BARS))
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in found:
        if row["started"]:
            counts[int((row["started"].astimezone(UTC) - first) / length)][_kind(row["status"])] += 1
    return [Period(first + number * length, *counts[number]) for number in range(max(counts) + 1)]


def _kind(status: str) -> int:
    """Return which number of a `Period` counts a run, from 0."""
    if status == Status.UNKNOWN:
        return 3
    if status in BAD:
        return 2
    return int(status in {Status.PLANNED, Status.SKIPPED})


def _values(facts: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yield kernel, Docker and bridges from a step's facts."""
    kernel, engine, information = (facts.get(fact.id) for fact in (Kernel, EngineVersion, EngineInfo))
    if isinstance(kernel, dict) and kernel.get("release"):
        yield "kernel", str(kernel["release"])
    if isinstance(information, dict) and information.get("version"):
        yield "Docker", str(information["version"]).partition("+")[0]
    elif isinstance(engine, str):
        yield "Docker", engine.partition("+")[0]
    interfaces = facts.get(Interfaces.id)
    if isinstance(interfaces, list):
        interfaces = [interface for interface in interfaces if isinstance(interface, dict)]
        for bridge in (interface for interface in interfaces if interface.get("kind") == "bridge"):
            ports = [
                str(interface.get("name"))
                for interface in interfaces
                if interface.get("master") == bridge.get("name")
            ]
            ports = [port for port in ports if not port.startswith("veth")]
            addresses = ", ".join(map(str, bridge.get("addresses") or [])) or "no address"
            yield f"bridge {bridge.get('name')}", f"{addresses}; ports: {', '.join(ports) or 'none'}"
