"""What makes a service be reloaded or restarted: the steps before, and the files that they have written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.facts.service import NeedsDaemonReload
from runbook_lib.host_settings import Host
from runbook_lib.model.plans import Check
from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.status import Status
from runbook_lib.operations import service
from tests.operations.test_operation_cases import CASES, case, facts_of, make

if TYPE_CHECKING:
    from runbook_lib.operations.service import Refreshed

HOST = Host(name="web-1", address="192.0.2.1")
WRITE_NO_FILE = {"command.Run", "directory.Present", "files.Absent"}  # though they read the state of a path
WRITE_NO_FILE |= {"docker_engine.Configured"}  # it restarts the engine itself
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


def test_of_each_operation_that_reads_the_state_of_a_file_it_is_known_whether_it_writes_one() -> None:
    """What writes a file, and is missing from the list, is never a reason to restart a service."""
    ids: dict[str, set[str]] = {}
    for loaded in map(case, CASES):
        if loaded["checks"] != "refused" and any(label.startswith("FileState(") for label in loaded["facts"]):
            operation = make(loaded)
            checks = operation.verify(facts_of(operation, loaded["facts"]))
            ids.setdefault(loaded["operation"], set()).update(check.id for check in checks)
    writing = {name for name, found in ids.items() if found & service._OF_CONTENTS}  # noqa: SLF001 - the list
    assert set(ids) - writing == WRITE_NO_FILE
    assert {check for found in ids.values() for check in found} >= service._OF_CONTENTS  # noqa: SLF001 - as above


@pytest.mark.parametrize("check", sorted(service._OF_CONTENTS))  # noqa: SLF001 - as above
def test_each_kind_of_step_that_writes_a_file_counts(check: str) -> None:
    assert refreshed(step(1, PEM, Status.OK, check=check)).files == (PEM,)


def test_in_a_resumed_run_the_host_says_whether_the_earlier_run_came_to_the_restart() -> None:
    assert refreshed(step(1, PEM, Status.OK, proven="R1")).needed is False
    remembered = refreshed(step(1, PEM, Status.OK, proven="R1", check="packages.version"))
    assert remembered.needed is True
    assert "was done in R1, perhaps without this restart" in remembered.reason


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ("nginx", "nginx.service"),
        ("php8.2-fpm", "php8.2-fpm.service"),
        ("php8.2-fpm.service", "php8.2-fpm.service"),
        ("backup.timer", "backup.timer"),
        ("getty@tty1", "getty@tty1.service"),
    ],
)
def test_a_units_name_is_completed_as_systemd_completes_it(given: str, unit: str) -> None:
    """A drop-in file below nginx.d is of no unit: systemd would never read it, and say that it has read all."""
    operation = service.drop_in(given, "[Service]\n")
    assert operation.facts()[0].label == f"FileState(/etc/systemd/system/{unit}.d/runbook.conf)"
    assert operation.facts()[1] == NeedsDaemonReload(unit)
