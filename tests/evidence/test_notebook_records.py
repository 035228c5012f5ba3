"""A run reads the same from its journal and from its standalone notebook, and never better than it was."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.evidence.lookup import find_run, read_run
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status
from runbook_lib.report.data_frames import tables
from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from tests.audit.notebooks import as_notebook
from tests.deadlines import wait_until
from tests.report import chapter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.model.records import RunRecord
    from tests.report.conftest import Notebook, StartNotebook

Notebooks = dict[str, Any]


def assert_same_tables(one: RunRecord, other: RunRecord) -> None:
    others = tables([other]).by_name()
    for name, frame in tables([one]).by_name().items():
        pd.testing.assert_frame_equal(frame, others[name])


def edit(notebook: Path, change: Callable[[Notebooks], None]) -> Path:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    change(content)
    edited = notebook.with_name("edited.ipynb")
    edited.write_text(json.dumps(content), encoding="utf-8")
    return edited


def empty(cell: str) -> Callable[[Notebooks], None]:
    def change(content: Notebooks) -> None:
        next(item for item in content["cells"] if item["id"] == cell)["outputs"] = []

    return change


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"mode": "apply"}, Status.CHANGED),
        ({"mode": "plan"}, Status.PLANNED),
        ({"mode": "apply", "fail_on": "host-b"}, Status.FAILED),
        ({"mode": "apply", "fail_on": "host-a", "on_failure": "stop"}, Status.FAILED),
        ({"mode": "validate"}, Status.FAILED),
    ],
    ids=["all-well", "plan", "one-failed", "stopped", "validate"],
)
def test_journal_and_standalone_notebook_give_equal_tables(
    asked: dict[str, str], status: Status, start_notebook: StartNotebook
) -> None:
    notebook = start_notebook(**asked)
    code = notebook.finish()
    record = read_run(notebook.directory)
    assert record.status is status
    assert (code == 0) is status.is_success
    assert record.incomplete == ""
    assert_same_tables(record, read_run(notebook.executed))
    assert record == read_run(notebook.executed)


def test_a_run_whose_kernel_was_killed_is_unknown_and_nowhere_green(start_notebook: StartNotebook) -> None:
    notebook = start_notebook(wait=60.0)
    kill_kernel_in_step_5(notebook)
    assert notebook.finish() != 0
    for source in (notebook.directory, notebook.executed):
        record = read_run(source)
        assert record.status is Status.UNKNOWN
        assert record.incomplete
        assert b"run is complete" in junit([record])
        assert b'errors="0"' not in junit([record])
        assert "Not proven" in page([record], "A killed run")
        assert "Success" not in page([record], "A killed run")
    of_journal = read_run(notebook.directory)
    assert [host.status for host in of_journal.steps[-1].hosts] == [Status.UNKNOWN, Status.UNKNOWN]
    assert of_journal.steps[-1].hosts[0].commands[-1].exit_code is None


def kill_kernel_in_step_5(notebook: Notebook) -> None:
    """Send SIGKILL to the kernel and to what it started, once both hosts' `sleep` is under way."""

    def lines() -> list[dict[str, Any]]:
        journals = list(notebook.runs.glob("*/journal.jsonl"))
        whole = journals[0].read_bytes().rpartition(b"\n")[0] if journals else b""
        return [json.loads(line) for line in whole.splitlines()]

    wait_until(lambda: sum("sleep" in line.get("text", "") for line in lines()) == 2, "both hosts' sleep")
    kernel = lines()[0]["pid"]
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(kernel)], capture_output=True, text=True, check=False
    )
    os.kill(kernel, signal.SIGKILL)
    for child in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def ends_with(record: Notebooks) -> Callable[[Notebooks], None]:
    def change(content: Notebooks) -> None:
        cell = next(item for item in content["cells"] if item["id"] == "close")
        (bundle,) = [out["data"] for out in cell["outputs"] if RUN_MIME in out.get("data", {})]
        bundle[RUN_MIME] |= record

    return change


def test_a_notebook_without_a_part_of_the_run_is_unknown(start_notebook: StartNotebook) -> None:
    notebook = start_notebook()
    assert notebook.finish() == 0
    assert read_run(notebook.executed).status is Status.CHANGED
    for change, why in (
        (empty("close"), "no end-of-run record"),
        (empty("evil"), "no record of step 3"),
        (ends_with({"steps": 8}), "had 8 steps"),
        (ends_with({"run": "another"}), "no end-of-run record"),
        (ends_with({"status": "ok"}), "does not fit its steps"),
    ):
        record = read_run(edit(notebook.executed, change))
        assert (record.status, record.ended) == (Status.UNKNOWN, None)
        assert why in record.incomplete
    with pytest.raises(EvidenceError, match="no record of a run"):
        read_run(edit(notebook.executed, empty("open")))
    for nonsense in ({"status": "splendid"}, {"ended": "yesterday"}):
        with pytest.raises(EvidenceError, match="an end of the run that cannot be interpreted"):
            read_run(edit(notebook.executed, ends_with(nonsense)))


@pytest.mark.parametrize("more", [0, 1, 96])
def test_a_notebook_of_a_newer_version_proves_nothing(tmp_path: Path, more: int) -> None:
    written = as_notebook(chapter.run(schema_version=SCHEMA_VERSION + more))
    path = tmp_path / "received" / "sent.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(written), encoding="utf-8")
    record = read_run(path)
    assert record.status is (Status.UNKNOWN if more else Status.OK)
    assert ("newer version" in record.incomplete) is bool(more)
    row = next(iter(Archive(path.parent, cache=tmp_path / "cache").query("SELECT * FROM runs").to_pylist()))
    assert (row["status"], row["incomplete"]) == (record.status, record.incomplete)


def test_a_record_that_cannot_be_interpreted_is_said_in_one_line(tmp_path: Path) -> None:
    written = as_notebook(chapter.run())
    written["cells"][1]["outputs"][0]["data"][STEP_MIME]["kind"] = "rehearsal"
    path = tmp_path / "sent.ipynb"
    path.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(EvidenceError, match="kind: Input should be") as refused:
        read_run(path)
    assert "http" not in refused.value.message
    assert "\n" not in refused.value.message


def test_steps_of_an_older_run_are_not_attributed_to_a_newer_one(start_notebook: StartNotebook) -> None:
    notebook = start_notebook()
    notebook.finish()

    def open_again(content: Notebooks) -> None:
        cell = next(item for item in content["cells"] if item["id"] == "open")
        (bundle,) = [out["data"] for out in cell["outputs"] if RUN_MIME in out.get("data", {})]
        bundle[RUN_MIME] |= {"run": "20991231T235959Z_10_practice_ffffff", "started": "2099-12-31T23:59:59Z"}

    record = read_run(edit(notebook.executed, open_again))
    assert record.status is Status.UNKNOWN
    assert record.steps == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_journal_cut_at_any_byte_is_unknown_or_refused(
    data: st.DataObject, failed_directory: Path, tmp_path: Path
) -> None:
    whole = (failed_directory / "journal.jsonl").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    assert_unknown_or_refused(whole[:at], tmp_path / "journal.jsonl")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_journal_with_any_byte_altered_before_its_last_line_is_unknown_or_refused(
    data: st.DataObject, failed_directory: Path, tmp_path: Path
) -> None:
    whole = bytearray((failed_directory / "journal.jsonl").read_bytes())
    at = data.draw(st.integers(0, whole.rstrip(b"\n").rfind(b"\n")))
    whole[at] ^= data.draw(st.integers(1, 255))
    assert_unknown_or_refused(bytes(whole), tmp_path / "journal.jsonl")


def assert_unknown_or_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    try:
        record = read_run(path)
    except EvidenceError as refused:
        assert str(path) in str(refused)  # noqa: PT017 - either is right
        return
    assert record.status is Status.UNKNOWN
    assert record.incomplete
    assert len(tables([record]).runs) == 1


@pytest.mark.parametrize("name", ["report.ipynb", "run", "journal.jsonl"])
def test_a_missing_run_is_bad_input(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such run"):
        read_run(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a notebook"),
        ('{"cells": [', "not a notebook"),
        ("[]", "not a notebook"),
        ('{"nbformat": 3, "worksheets": []}', "not a notebook"),
        ('{"cells": ["text"]}', "not a notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "no record of a run"),
    ],
)
def test_a_file_that_is_not_an_executed_runbook_is_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "some.ipynb"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EvidenceError, match=said):
        read_run(path)


def test_a_run_is_found_by_path_by_id_prefix_and_as_last(failed_directory: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("20260101T000000Z_a_111111", "20260101T000000Z_b_222222", "20260202T000000Z_a_333333"):
        (runs / name).mkdir(parents=True)
    assert find_run(str(failed_directory), runs) == failed_directory
    assert find_run("last", runs).name == "20260202T000000Z_a_333333"
    assert find_run("20260101T000000Z_b", runs).name == "20260101T000000Z_b_222222"
    with pytest.raises(InputError, match="2 runs begin with"):
        find_run("20260101", runs)
    for name, below in (("nothing", runs), ("last", tmp_path / "nowhere")):
        with pytest.raises(InputError, match="run id"):
            find_run(name, below)
