"""Times for people: one format, with the zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from runbook_lib.readable_time import local_time, local_time_of, utc_time

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC0", "2026-11-26 12:00 UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-26 13:00 CET"),
        ("EST5EDT,M3.2.0,M11.1.0", "2026-11-26 07:00 EST"),
        ("<+0545>-5:45", "2026-11-26 17:45 UTC+05:45"),
        ("<-03>3", "2026-11-26 09:00 UTC-03:00"),
    ],
    indirect=["zone"],
)
@pytest.mark.usefixtures("zone")
def test_a_terminal_shows_the_readers_own_time_and_names_the_zone(shown: str) -> None:
    assert local_time(NOON) == shown
    assert local_time(NOON.replace(tzinfo=None)) == shown
    assert local_time_of(NOON.isoformat(), seconds=True) == f"{shown[:16]}:05{shown[16:]}"


def test_a_page_shows_utc() -> None:
    assert utc_time(NOON.astimezone(timezone(timedelta(hours=9)))) == "2026-11-26 12:00:05 UTC"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_not_a_time_is_shown_as_it_is(text: str) -> None:
    assert local_time_of(text) == text


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "UTC", "Etc/GMT-14"], indirect=True)
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.usefixtures("zone")
def test_a_time_that_the_readers_zone_cannot_express_is_shown_as_recorded(text: str) -> None:
    assert local_time_of(text)[:4] in {"0001", "9999"}
    assert utc_time(datetime.fromisoformat(text)) == text.replace("T", " ")
