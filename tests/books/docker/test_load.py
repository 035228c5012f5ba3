"""What each path costs: which paths are measured, the table and the drawing. Figures are composed: none is a claim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from runbook_lib.books.docker import load
from runbook_lib.books.docker.parameters import PathLoad
from runbook_lib.execution import catalog
from runbook_lib.facts.redis_load import RedisLoad
from runbook_lib.model.records import HostRecord, StepRecord
from tests.execution.project import TOP

DEFAULTS = catalog.load(TOP / "notebooks" / "70_path_load.ipynb").defaults
P = PathLoad.model_validate(DEFAULTS)
REDIS = {"Container(redis-server)": {"address": "192.168.8.2"}}
ON_BR0 = {"Network(bridge)": {"bridge": "br0"}}


def step(**facts: dict[str, Any]) -> StepRecord:
    hosts = [
        HostRecord(host=host, address="192.168.7.31", kind="ssh", facts=read) for host, read in facts.items()
    ]
    return StepRecord(number=1, title="Step", kind="facts", started=datetime.now(UTC), hosts=hosts)


def speeds(*rows: tuple[str, float, float, float]) -> StepRecord:
    fields = ("path", "requests_per_second", "p50", "p99")
    label = f"RedisLoad({', '.join(row[0] for row in rows)})"
    return step(host={label: [dict(zip(fields, row, strict=True)) for row in rows]})


ROUNDS = [
    speeds(("direct", 50000.0, 0.1, 0.2)),
    speeds(("published-port", 20000.0, 0.3, 1.0), ("two-ambassadors", 10000.0, 0.5, 2.0)),
    speeds(("direct", 30000.0, 0.1, 0.4)),
    speeds(("published-port", 20000.0, 0.1, 1.4), ("two-ambassadors", 6000.0, 0.7, 90.0)),
]


@pytest.mark.parametrize(
    ("server", "client", "paths"),
    [
        ({}, {}, ["published-port", "one-ambassador", "two-ambassadors"]),
        (REDIS, {}, ["published-port", "one-ambassador", "two-ambassadors"]),
        (REDIS | ON_BR0, {}, ["published-port", "one-ambassador", "two-ambassadors", "br0"]),
        (
            REDIS | {"Network(bridge)": {"bridge": "docker0"}},
            {"Container(red-client)": {"address": "10.77.1.4"}},
            ["published-port", "one-ambassador", "two-ambassadors", "overlay"],
        ),
        (
            {"Container(redis-server)": None, "Network(bridge)": None},
            {"Container(red-client)": None},
            ["published-port", "one-ambassador", "two-ambassadors"],
        ),
    ],
)
def test_only_paths_that_exist_are_measured(
    server: dict[str, Any], client: dict[str, Any], paths: list[str]
) -> None:
    across = load.across(P, step(server=server, client=client))
    assert [path.name for path in across.paths] == paths
    assert across.requests == P.requests


def test_the_table_has_medians_and_ratios_to_the_redis_itself() -> None:
    table = load.table(ROUNDS)
    assert tuple(table.columns) == load.COLUMNS
    assert list(table.index) == ["direct", "published-port", "two-ambassadors"]
    assert list(table.loc["direct"]) == pytest.approx([40000.0, 0.1, 0.3, 1.0, 1.0, 1.0])
    assert list(table.loc["two-ambassadors"]) == pytest.approx([8000.0, 0.6, 46.0, 0.2, 6.0, 153.33])


def test_without_measurements_table_and_drawing_are_empty() -> None:
    assert load.table([]).empty
    assert tuple(load.table([]).columns) == load.COLUMNS
    assert "<rect" not in load.chart(load.table([])).svg


def test_without_the_path_to_compare_with_there_are_no_ratios() -> None:
    table = load.table(ROUNDS[1:2])
    assert table["requests_ratio"].isna().all()
    ET.fromstring(load.chart(table).svg)  # noqa: S314 - our own


def test_the_drawing_has_three_bars_for_each_path_and_none_is_too_long() -> None:
    drawing = ET.fromstring(load.chart(load.table(ROUNDS)).svg)  # noqa: S314 - our own
    bars = drawing.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 3 * 3
    assert max(float(bar.attrib["width"]) for bar in bars) <= 150
    assert "two-ambassadors" in [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(
    ("given", "measures"),
    [({}, True), ({"requests": 0}, False), ({"mode": "plan"}, False), ({"mode": "validate"}, True)],
)
def test_the_load_can_be_turned_off_and_a_plan_makes_none(given: dict[str, Any], measures: bool) -> None:  # noqa: FBT001 - a parameter
    assert PathLoad.model_validate({**DEFAULTS, **given}).measures is measures


def test_the_redis_itself_is_measured_in_its_own_container() -> None:
    direct = load.direct(P)
    assert isinstance(direct, RedisLoad)
    assert [(path.container, path.server) for path in direct.paths] == [("redis-server", "127.0.0.1")]
