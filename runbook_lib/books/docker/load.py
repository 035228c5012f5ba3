"""What each path between two hosts costs: the same redis under load by all of them (book S3, S4, S6, S8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup, escape

from runbook_lib.books.docker.ambassador import REDIS_ALIAS
from runbook_lib.facts.container import Container, addresses
from runbook_lib.facts.docker_network import Network
from runbook_lib.facts.redis_load import RedisLoad, RedisPath

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.books.docker.parameters import PathLoad
    from runbook_lib.facts.base import Fact
    from runbook_lib.model.records import StepRecord

__all__ = [
    "COLUMNS",
    "DIRECT",
    "REDIS",
    "Chart",
    "across",
    "chart",
    "direct",
    "redises",
    "runs",
    "table",
    "what_leads_there",
]

DIRECT = "direct"
"""The path that the others are compared with."""
COLUMNS = ("requests_per_second", "p50_ms", "p99_ms", "requests_ratio", "p50_ratio", "p99_ratio")
"""Columns of `table`; the ratios are those to the path `direct`."""
REDIS = "redis-server"
"""The redis behind both ambassadors."""
_CLIENT, _REDIS_PORT = "redis-client", 6379
_ROW, _LABEL, _BAR, _VALUE, _HEAD = 26, 130, 150, 120, 40
_LONGEST = 20.0  # times as long as direct: longer bars are cut


def what_leads_there(p: PathLoad) -> tuple[Fact[Any], ...]:
    """Return the facts that say which paths there are, besides those that 40 makes."""
    return (*map(Container, redises(p)), Network("bridge"), Container(f"{p.tenant}-client"))


def redises(p: PathLoad) -> tuple[str, ...]:
    """Return the names of the redis containers that paths may lead to: that of 40, its published one, the tenant's."""
    return (REDIS, "redis-published", f"{p.tenant}-redis")


def runs(found: StepRecord, name: str) -> bool:
    """Return whether a container was running on some host.

    Args:
        found: The step that read `what_leads_there`.
        name: The container.
    """
    return any((host.facts.get(Container(name).label) or {}).get("running") for host in found.hosts)


def direct(p: PathLoad) -> RedisLoad:
    """Return the measurement without any network between: redis-benchmark in the container of the redis."""
    return _load(p, RedisPath(DIRECT, REDIS, "127.0.0.1", _REDIS_PORT))


def across(p: PathLoad, found: StepRecord) -> RedisLoad:
    """Return the measurement of all paths from the client's host.

    Args:
        p: The runbook's parameters.
        found: The step that read `what_leads_there` on both hosts.
    """
    paths = [
        RedisPath("published-port", _CLIENT, p.server_address, p.published_port),
        RedisPath("one-ambassador", _CLIENT, p.server_address, p.port),
        RedisPath("two-ambassadors", _CLIENT, REDIS_ALIAS, _REDIS_PORT),
    ]
    physical = any(
        network["bridge"] == p.bridge
        for host in found.hosts
        for network in Network.recorded(host.facts).values()
        if network
    )
    address = "".join(addresses(found, REDIS).values())
    if physical and address:
        paths.append(RedisPath(p.bridge, _CLIENT, address, _REDIS_PORT))
    client = f"{p.tenant}-client"
    if any(addresses(found, client).values()):
        paths.append(RedisPath("overlay", client, f"{p.tenant}-redis", _REDIS_PORT))
    return _load(p, *paths)


def _load(p: PathLoad, *paths: RedisPath) -> RedisLoad:
    return RedisLoad(paths, p.requests, p.clients, rounds=1)


def table(steps: Sequence[StepRecord]) -> pd.DataFrame:
    """Return the medians by path, and their ratios to the path `direct`.

    Args:
        steps: The steps that measured, of all rounds.
    """
    rows = [
        speed
        for step in steps
        for host in step.hosts
        for measured in RedisLoad.recorded(host.facts).values()
        for speed in measured
    ]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS), index=pd.Index([], name="path"))
    names = {"p50": "p50_ms", "p99": "p99_ms"}
    medians = pd.DataFrame(rows).groupby("path", sort=False).median().rename(columns=names)
    ratios = medians / medians.reindex([DIRECT]).iloc[0]  # no ratios if that path was not measured
    for column, ratio in zip(COLUMNS[:3], COLUMNS[3:], strict=True):
        medians[ratio] = ratios[column].round(2)
    return medians[list(COLUMNS)]


@dataclass(frozen=True)
class Chart:
    """A drawing that notebooks show.

    Args:
        svg: The drawing.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def chart(measured: pd.DataFrame) -> Chart:
    """Draw the ratios to the path `direct` as bars: requests a second, then latency.

    Args:
        measured: What `table` returned.
    """
    wide = _LABEL + 2 * (_BAR + _VALUE)
    high = _HEAD + _ROW * len(measured)
    shapes = Markup("").join(_shapes(measured))
    return Chart(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'font-family="sans-serif" font-size="12" fill="currentColor">{shapes}</svg>'
    )


def _shapes(measured: pd.DataFrame) -> Iterator[Markup]:
    latency = _LABEL + _BAR + _VALUE
    yield _text(_LABEL, 18, "requests a second, times direct")
    yield _text(latency, 18, "latency, times direct: median, 99 % below")
    most = max([1.0, *measured["requests_ratio"].dropna()])
    slowest = (*measured["p50_ratio"].dropna(), *measured["p99_ratio"].dropna())
    longest = min(max([1.0, *slowest]), _LONGEST)
    for number, (path, row) in enumerate(measured.iterrows()):
        y = _HEAD + _ROW * number
        yield _text(0, y + 14, str(path))
        yield _bar(_LABEL, y + 2, row["requests_ratio"] / most, 16, "#3b6fb6")
        yield _text(
            _LABEL + _BAR + 6, y + 14, f"{row['requests_ratio']:.2f} ({row['requests_per_second']:,.0f})"
        )
        yield _bar(latency, y + 2, row["p50_ratio"] / longest, 7, "#c77f2a")
        yield _bar(latency, y + 11, row["p99_ratio"] / longest, 7, "#8a4f9e")
        yield _text(latency + _BAR + 6, y + 14, f"{row['p50_ratio']:.1f}, {row['p99_ratio']:.1f}")


def _bar(x: float, y: float, share: float, high: float, color: str) -> Markup:
    wide = _BAR * max(0.0, min(share, 1.0))
    return Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" fill="{}"/>').format(
        x, y, wide, high, color
    )


def _text(x: float, y: float, words: str) -> Markup:
    return Markup('<text x="{}" y="{}">{}</text>').format(x, y, escape(words))
