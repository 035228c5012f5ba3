"""What the pages tell of hosts and of time, taken from the archive's tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.facts.docker_engine import EngineInfo, EngineVersion
from runbook_lib.facts.interfaces import Interfaces
from runbook_lib.facts.kernel import Kernel
from runbook_lib.report.summary import BAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.archive.archive import Archive

__all__ = ["Bucket", "HostHistory", "Seen", "buckets", "hosts", "runs"]

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
class Bucket:
    """Runs of a stretch of time, by how they came out."""

    begin: datetime
    good: int
    bad: int
    unknown: int

    @property
    def whole(self) -> int:
        """All of them."""
        return self.good + self.bad + self.unknown


@dataclass(frozen=True)
class Seen:
    """Something of a host that was seen to be otherwise than before."""

    at: datetime
    what: str
    before: str
    after: str
    run: str


@dataclass
class HostHistory:
    """What an archive tells of a host.

    Args:
        name: Of the host.
        runs: Newest first.
        now: What was seen last: kernel, Docker, bridges.
        seen: What changed, newest first.
    """

    name: str
    runs: list[Row] = field(default_factory=list)
    now: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Runs that did not end well."""
        return sum(row["status"] in BAD for row in self.runs)


def runs(archive: Archive) -> list[Row]:
    """Return the runs, newest first; `previous` is the run before of the same runbook on the same hosts."""
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
        for what, value in _told(orjson.loads(row["facts"])):
            before = history.now.get(what)
            if before != value:
                history.seen.insert(0, Seen(row["started"], what, before or "", value, row["run"]))
                history.now[what] = value
    return [history for _, history in sorted(histories.items())]


def buckets(found: list[Row]) -> list[Bucket]:
    """Return the outcomes over time, in so many stretches of whole days as fit beside each other."""
    times = [row["started"].astimezone(UTC) for row in found if row["started"]]
    if not times:
        return []
    first = min(times).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (max(times) - first).days + 1
    length = timedelta(days=-(-days // _MOST_BARS))
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in found:
        if row["started"]:
            place = 2 if row["status"] == "unknown" else int(row["status"] in BAD)
            counts[int((row["started"].astimezone(UTC) - first) / length)][place] += 1
    return [Bucket(first + number * length, *counts[number]) for number in range(max(counts) + 1)]


def _told(facts: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yield what a step's facts say of kernel, Docker and bridges."""
    kernel, engine, information = (facts.get(fact.id) for fact in (Kernel, EngineVersion, EngineInfo))
    if isinstance(kernel, dict) and kernel.get("release"):
        yield "kernel", str(kernel["release"])
    if isinstance(information, dict) and information.get("version"):
        yield "Docker", str(information["version"]).partition("+")[0]
    elif isinstance(engine, str):
        yield "Docker", engine.partition("+")[0]
    cards = facts.get(Interfaces.id)
    if isinstance(cards, list):
        cards = [card for card in cards if isinstance(card, dict)]
        for bridge in (card for card in cards if card.get("kind") == "bridge"):
            ports = [str(card.get("name")) for card in cards if card.get("master") == bridge.get("name")]
            ports = [port for port in ports if not port.startswith("veth")]
            addresses = ", ".join(map(str, bridge.get("addresses") or [])) or "no address"
            yield f"bridge {bridge.get('name')}", f"{addresses}; ports: {', '.join(ports) or 'none'}"
