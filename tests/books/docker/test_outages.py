"""What is stopped for an outage of each part of the path, where, and the table of what the client saw."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.books.docker import outages
from runbook_lib.books.docker.parameters import PathLoad
from runbook_lib.errors import ParameterError
from runbook_lib.facts.redis_watch import ERRORS
from runbook_lib.host_settings import Host
from runbook_lib.operations import outage
from tests.books.docker.test_load import DEFAULTS, step

P = PathLoad.model_validate({**DEFAULTS, "outage": 3, "card": "eth1"})
HOST = Host(name="host-a", address="192.0.2.1", port=2222)
FOUND = step(
    server={
        "Container(redis-server)": {"address": "192.168.8.2", "running": True},
        "Container(redis-published)": {"address": "192.168.8.3", "running": False},
        "Container(red-redis)": {"address": "10.77.1.3", "running": True},
    },
    client={"Container(redis-published)": None},
)


@pytest.mark.parametrize(
    ("part", "host", "stopped", "restored"),
    [
        ("client-ambassador", "client", outage.containers(("redis_ambassador",), 3), ("redis_ambassador",)),
        ("server-ambassador", "server", outage.containers(("redis_ambassador",), 3), ("redis_ambassador",)),
        (
            "server",
            "server",
            outage.containers(("redis-server", "red-redis"), 3),
            ("redis-server", "red-redis"),
        ),
        ("server-host", "server", outage.network("eth1", 2222, 3), ()),
    ],
)
def test_each_part_is_stopped_on_its_host(
    part: str, host: str, stopped: outage.Containers | outage.Network, restored: tuple[str, ...]
) -> None:
    assert outages.host_of(P, part) == host
    assert outages.stopped(P, part, FOUND)(HOST) == stopped
    assert outages.restored(P, part, FOUND) == outage.over(restored)
    assert outages.seen(P, part, FOUND).seconds > outage.DELAY + 3


def test_each_part_has_a_row_for_each_path() -> None:
    seen = [
        {"path": "one", "asked": 40, "errors": {"refused": 3}, "longest_gap": 3.2, "first_answer_after": 3.1},
        {"path": "two", "asked": 90, "errors": {}, "longest_gap": 0.2, "first_answer_after": None},
    ]
    table = outages.table({"server": step(client={"RedisWatch(server, one, two)": seen})})
    assert tuple(table.columns) == outages.COLUMNS
    assert table.loc[("server", "one"), "refused"] == 3
    assert table.loc[("server", "two"), "asked"] == 90
    assert [table.loc[("server", "two"), kind] for kind in ERRORS] == [0] * len(ERRORS)
    assert outages.table({}).empty


@pytest.mark.parametrize(
    ("given", "interrupts"),
    [
        ({}, False),
        ({"outage": 3}, True),
        ({"outage": 3, "mode": "plan"}, False),
        ({"outage": 3, "mode": "validate"}, False),
    ],
)
def test_nothing_is_stopped_unless_it_is_asked_for_and_applied(
    given: dict[str, Any], *, interrupts: bool
) -> None:
    assert PathLoad.model_validate({**DEFAULTS, **given}).interrupts is interrupts


@pytest.mark.parametrize(
    ("names", "seconds"), [((), 3), (("redis",), 0), (("",), 3), (("a b",), 3), (('a"b',), 3), (("-a",), 3)]
)
def test_an_outage_of_nothing_or_for_no_time_is_refused(names: tuple[str, ...], seconds: int) -> None:
    with pytest.raises(ParameterError, match="is not possible"):
        outage.containers(names, seconds)
    if len(names) == 1:
        with pytest.raises(ParameterError, match="is not possible"):
            outage.network(names[0], 22, 0 if names == ("redis",) else seconds)
