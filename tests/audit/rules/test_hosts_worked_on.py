"""Rules about plans and validations look at the hosts of a run's steps, and at when its last command was sent."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.rules.base import Context
from runbook_lib.audit.rules.runs import ApplyWithoutPlan, ValidateTooOld
from tests.audit.altering import Data, forge_journal, journal, put_journal

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
APPLY = "20261126T003453Z_30_bridge_br0_e05c41"
VALIDATION = "20261126T003511Z_90_validate_0f7fad"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LATE = "2026-11-26T20:00:00Z"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in (APPLY, VALIDATION):
        shutil.copytree(RUNS / name, tmp_path / "runs" / name)
    return tmp_path / "runs"


def messages(rule: ValidateTooOld | ApplyWithoutPlan, top: Path) -> dict[str, str]:
    archive = Archive(top, cache=top.parent / "cache")
    return {one.host or one.run: one.message for one in rule.find(Context(archive, NOW))}


def without_steps_on(host: str) -> Callable[[list[Data]], None]:
    def change(entries: list[Data]) -> None:
        for entry in entries:
            if entry["event"] == "step_started":
                entry["hosts"] = [name for name in entry["hosts"] if name != host]
        entries[:] = [entry for entry in entries if entry.get("host") != host]

    return change


def test_a_host_without_a_step_in_a_validation_is_not_validated(top: Path) -> None:
    rule = ValidateTooOld(days=30)
    assert messages(rule, top) == {}
    hosts = journal_hosts(top / APPLY)
    forge_journal(top / VALIDATION, without_steps_on(hosts[0]))
    assert set(messages(rule, top)) == {hosts[0]}


def journal_hosts(run: Path) -> list[str]:
    archive = Archive(run.parent, cache=run.parent.parent / "other")
    sql = "SELECT DISTINCT host FROM commands WHERE run = ? AND sent AND kind <> 'fact' ORDER BY host"
    return [str(host) for host in archive.query(sql, [run.name]).column("host").to_pylist()]


def test_a_command_of_a_killed_apply_that_was_sent_after_a_validation_needs_another_one(top: Path) -> None:
    rule = ValidateTooOld(days=30)
    put_journal(top / APPLY, journal(top / APPLY)[:-1])
    assert messages(rule, top) == {}

    def later(entries: list[Data]) -> None:
        last = [
            entry for entry in entries if entry["event"] == "command_started" and entry["kind"] != "fact"
        ][-1]
        for entry in entries:
            if entry.get("command") == last["command"]:
                for name in ("started", "ended"):
                    if entry.get(name):
                        entry[name] = LATE

    forge_journal(top / APPLY, later)
    found = messages(rule, top)
    assert found
    assert all("not validated successfully since" in message for message in found.values())


@pytest.mark.parametrize("planned", [True, False])
def test_a_plan_counts_for_the_hosts_of_its_steps(planned: bool, top: Path) -> None:  # noqa: FBT001 - a table
    plan = "20261126T000000Z_30_bridge_br0_aaaaaa"
    shutil.copytree(top / APPLY, top / plan)
    host = journal_hosts(top / APPLY)[0]

    def as_plan(entries: list[Data]) -> None:
        entries[0].update(run=plan, mode="plan", started="2026-11-26T00:00:00Z")
        for entry in entries:
            if entry["event"] in {"host_ended", "run_ended"}:
                entry["status"] = "planned"
        if not planned:
            without_steps_on(host)(entries)

    forge_journal(top / plan, as_plan)
    (top / plan / "notebook.ipynb").unlink()
    assert (messages(ApplyWithoutPlan(), top) == {}) is planned
