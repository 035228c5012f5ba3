"""What makes a service be reloaded or restarted: the steps before, and the files that they have written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.host_settings import Host
from runbook_lib.model.plans import Check
from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations import service

if TYPE_CHECKING:
    from runbook_lib.operations.service import Refreshed

HOST = Host(name="web-1", address="192.0.2.1")
PEM, KEY = "/etc/site/site.pem", "/run/site/site.key"


def step(number: int, path: str, status: Status, *, host: str = "web-1", **more: Any) -> StepRecord:  # noqa: ANN401 - fields of a record
    """Return the record of a step that has written a file, or of one with another check."""
    check = Check.equal("contents", "a", "a", more.pop("check", "files.contents"))
    record = HostRecord(
        host=host,
        address="192.0.2.1",
        kind="ssh",
        status=status,
        checks=[check],
        facts={f"FileState({path})": {"kind": "regular file"}},
        **more,
    )
    return StepRecord(number=number, title=path, started=datetime(2026, 11, 26, tzinfo=UTC), hosts=[record])


def refreshed(*steps: StepRecord) -> Refreshed:
    made = service.restarted("site", when=steps)(HOST)
    assert isinstance(made, service.Refreshed)
    return made


def test_files_of_all_steps_are_those_that_the_service_must_have_read() -> None:
    made = refreshed(step(1, PEM, Status.OK), step(2, KEY, Status.OK), step(3, PEM, Status.OK))
    assert (made.needed, made.files) == (False, (PEM, KEY))


def test_a_change_in_this_run_counts_whatever_the_hosts_clock_says() -> None:
    made = refreshed(step(1, PEM, Status.OK), step(2, KEY, Status.CHANGED))
    assert (made.needed, made.files) == (True, (PEM, KEY))
    assert made.reason == f"step 2 ({KEY}): changed"


def test_a_file_on_another_host_does_not_count() -> None:
    made = refreshed(step(1, PEM, Status.CHANGED, host="web-2"))
    assert (made.needed, made.files) == (False, ())


@pytest.mark.parametrize("check", ["files.owner", "command.made", "directory.state"])
def test_a_file_that_a_step_only_looks_at_does_not_count(check: str) -> None:
    """Such as one that a command makes, which others may go on to write."""
    assert refreshed(step(1, PEM, Status.OK, check=check)).files == ()


@pytest.mark.parametrize("check", ["files.contents", "service.drop_in", "registry.authority"])
def test_each_kind_of_step_that_writes_a_file_counts(check: str) -> None:
    assert refreshed(step(1, PEM, Status.OK, check=check)).files == (PEM,)


def test_in_a_resumed_run_the_host_says_whether_the_earlier_run_came_to_the_restart() -> None:
    assert refreshed(step(1, PEM, Status.OK, proven="R1")).needed is False
    remembered = refreshed(step(1, PEM, Status.OK, proven="R1", check="packages.version"))
    assert remembered.needed is True
    assert "was done in R1, perhaps without this restart" in remembered.reason
