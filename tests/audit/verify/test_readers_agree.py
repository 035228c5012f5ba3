"""Whatever reads an altered run directory says the same of it: verification, `read_run`, the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.lookup import read_run
from runbook_lib.model.status import Status
from tests.audit.altering import forge_journal, found

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.audit.conftest import Judge

Data = dict[str, Any]


def statuses(run: Path, judge: Judge) -> set[str]:
    """Return what all readers say of a run: one status, if they agree."""
    rows = Archive(run.parent, cache=run.parent.parent / "cache").runs
    return {judge(run, source=False).status, read_run(run).status.value, *rows["status"]}


def test_a_run_that_ended_well_has_one_status(run: Path, judge: Judge) -> None:
    assert statuses(run, judge) == {"changed"}


@pytest.mark.parametrize("status", ["failed", "unreachable", "unknown", "ok"])
def test_a_good_end_that_does_not_fit_the_steps_is_not_believed(run: Path, judge: Judge, status: str) -> None:
    def change(entries: list[Data]) -> None:
        for entry in entries:
            if entry["event"] == "host_ended":
                entry["status"] = status

    forge_journal(run, change)
    assert statuses(run, judge) == {"unknown"}
    found(judge(run), "journal", "the end of the run does not fit its steps")
    assert read_run(run).incomplete == "the end of the run does not fit its steps"


@pytest.mark.parametrize("status", ["changed", "failed", "unreachable", "interrupted"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": null}', b'{"cells": [7]}'])
def test_a_notebook_that_cannot_be_read_makes_the_outcome_unknown(
    run: Path, judge: Judge, status: str, content: bytes
) -> None:
    forge_journal(run, lambda entries: entries[-1].update(status=status))
    (run / "notebook.ipynb").write_bytes(content)
    assert statuses(run, judge) == {"unknown"}


@pytest.mark.parametrize("name", ["other", "runs"])
def test_a_failed_run_under_another_runs_name_is_unknown(run: Path, judge: Judge, name: str) -> None:
    forge_journal(run, lambda entries: entries[-1].update(status="failed"))
    assert statuses(run.rename(run.with_name(name)), judge) == {"unknown"}


@pytest.mark.parametrize(
    ("event", "key", "value"),
    [
        ("run_started", "pid", "many"),
        ("run_started", "endpoints", 7),
        ("step_started", "started", "yesterday"),
        ("step_ended", "ended", []),
        ("host_ended", "facts", [1]),
        ("command_started", "purpose", None),
        ("command_ended", "ended", "soon"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_even_where_no_column_shows_it(
    run: Path, opened: Callable[[Path], Archive], event: str, key: str, value: object
) -> None:
    def change(entries: list[Data]) -> None:
        next(entry for entry in entries if entry["event"] == event)[key] = value

    forge_journal(run, change)
    with pytest.raises(EvidenceError, match="cannot be interpreted"):
        read_run(run)
    (status,) = opened(run.parent).runs["status"]
    assert not Status(status).is_success
