"""What an SQL query may return is printed in every form, or refused with a reason; an open archive stays as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.cli.main import cli
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.skipped_steps import count_steps
from runbook_lib.model.status import Status

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
NAMES = sorted(path.name for path in RUNS.iterdir() if (path / "journal.jsonl").exists())
FORMS = ["table", "csv", "json"]


def asked(sql: str, form: str, tmp_path: Path) -> Result:
    if not (tmp_path / "runs").exists():
        shutil.copytree(RUNS / NAMES[0], tmp_path / "runs" / NAMES[0])
    command = ["audit", "query", sql, str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    return CliRunner().invoke(cli, [*command, "--format", form], standalone_mode=False)


@pytest.mark.parametrize("form", FORMS)
def test_two_columns_of_one_name(form: str, tmp_path: Path) -> None:
    done = asked("SELECT r.run, s.run FROM runs r JOIN steps s ON s.run = r.run LIMIT 1", form, tmp_path)
    if form == "json":
        assert isinstance(done.exception, InputError)
        assert "several columns have the name run" in str(done.exception)
    else:
        assert done.exception is None
        assert done.output.count(NAMES[0]) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value", ["'infinity'::timestamptz", "'20000-01-01'::date", "'-infinity'::timestamp"]
)
def test_a_value_that_cannot_be_shown_is_bad_input(value: str, form: str, tmp_path: Path) -> None:
    done = asked(f"SELECT {value} AS moment", form, tmp_path)
    assert done.exception is None or isinstance(done.exception, InputError)


def test_sums_are_numbers(tmp_path: Path) -> None:
    done = asked("SELECT sum(commands_sent) AS sent, count(*) AS n, 1.5 AS part FROM steps", "json", tmp_path)
    (row,) = json.loads(done.output)
    assert isinstance(row["sent"], int)
    assert isinstance(row["n"], int)
    assert row["part"] == "1.5"


def test_an_open_archive_stays_as_it_was_or_says_that_it_has_to_be_opened_again(tmp_path: Path) -> None:
    top, cache = tmp_path / "runs", tmp_path / "cache"
    shutil.copytree(RUNS / NAMES[0], top / NAMES[0])
    opened = Archive(top, cache=cache)
    assert len(opened.files) == 1
    shutil.copytree(RUNS / NAMES[1], top / NAMES[1])
    Archive(top, cache=cache)
    assert len(opened.files) == len(opened.runs) == 1
    shutil.rmtree(top / NAMES[0])
    Archive(top, cache=cache)
    shutil.copytree(RUNS / NAMES[2], top / NAMES[2])
    Archive(top, cache=cache)
    assert len(opened.files) == 1
    with pytest.raises(EvidenceError, match="another process has read the archive again"):
        opened.query("SELECT * FROM runs")


def test_the_list_says_how_many_steps_a_run_skipped(tmp_path: Path) -> None:
    shutil.copytree(RUNS, tmp_path / "runs")
    command = [
        "audit",
        "list",
        str(tmp_path / "runs"),
        "--cache",
        str(tmp_path / "cache"),
        "--format",
        "json",
    ]
    done = CliRunner().invoke(cli, command, standalone_mode=False)
    listed = {row["run"]: row["skipped"] for row in json.loads(done.output)}
    counted = {name: count_steps(read_journal(RUNS / name).steps, Status.SKIPPED) or None for name in NAMES}
    assert {name: listed[name] for name in NAMES} == counted
    assert any(counted.values())
