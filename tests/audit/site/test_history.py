"""Runs over time: what was only planned does not count as succeeded, nor an interrupted run as failed."""

from __future__ import annotations

from datetime import UTC, datetime

from runbook_lib.audit.site.history import periods
from runbook_lib.model.status import Status


def test_each_outcome_is_counted_once_and_under_its_own_name() -> None:
    started = datetime(2026, 11, 27, tzinfo=UTC)
    (period,) = periods([{"status": status.value, "started": started} for status in Status])
    assert (period.succeeded, period.not_applied, period.not_successful, period.unknown) == (2, 2, 3, 1)
    assert period.total == len(Status)
