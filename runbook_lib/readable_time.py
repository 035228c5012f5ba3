"""Times as a person reads them: one format, always with the name of the zone.

A terminal shows the reader's own time; a page, which people in several zones read, shows UTC. Evidence and tables for
programs have ISO 8601 in UTC.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

__all__ = ["local_time", "local_time_of", "utc_time"]

_TO_THE_MINUTE = "%Y-%m-%d %H:%M"
_TO_THE_SECOND = "%Y-%m-%d %H:%M:%S"


def local_time(moment: datetime, *, seconds: bool = False) -> str:
    """Return a time in the zone of the person at this machine.

    Args:
        moment: The time; UTC if it names no zone.
        seconds: Whether to show them.

    >>> local_time(datetime(2026, 11, 26, 11, 30, tzinfo=UTC))          # doctest: +SKIP
    '2026-11-26 12:30 CET'
    """
    try:
        local = _aware(moment).astimezone()
    except OverflowError:  # before year 1 or after 9999 in this zone
        return _as_recorded(moment)
    name, offset = local.strftime("%Z"), local.strftime("%z")
    zone = (
        name if name[:1].isalpha() else f"UTC{offset[:3]}:{offset[3:]}"
    )  # not every zone has a name in letters
    return f"{local.strftime(_TO_THE_SECOND if seconds else _TO_THE_MINUTE)} {zone}"


def local_time_of(text: str, *, seconds: bool = False) -> str:
    """Return a time of the evidence as `local_time` does; what is not a time is returned as it is.

    Args:
        text: ISO 8601.
        seconds: Whether to show them.
    """
    with contextlib.suppress(ValueError):
        return local_time(datetime.fromisoformat(text), seconds=seconds)
    return text


def utc_time(moment: datetime) -> str:
    """Return a time to the second, in UTC.

    Args:
        moment: The time; UTC if it names no zone.
    """
    try:
        return f"{_aware(moment).astimezone(UTC).strftime(_TO_THE_SECOND)} UTC"
    except OverflowError:
        return _as_recorded(moment)


def _as_recorded(moment: datetime) -> str:
    """Return a time that the zone of the reader cannot express, in its own."""
    return _aware(moment).isoformat(" ", "seconds")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
