"""The tables have the declared columns, whatever is in them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet
import pytest

from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.report.data_frames import tables
from runbook_lib.report.table_columns import TABLES
from runbook_lib.report.table_files import write_csv, write_parquet
from tests.report import chapter
from tests.report.tables_page import DOCUMENT, page

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord


@pytest.mark.parametrize("name", TABLES)
def test_columns_and_types_are_the_listed_ones_with_and_without_rows(name: str, failed: RunRecord) -> None:
    listed = {column.name: column.dtype for column in TABLES[name]}
    for records in ([], [failed]):
        frame = tables(records).by_name()[name]
        assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == listed
        assert frame.attrs["schema_version"] == SCHEMA_VERSION


def test_the_document_lists_every_column() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python -m tests.report.tables_page"


def test_only_columns_declared_so_have_missing_values(
    failed: RunRecord, planned: RunRecord, cut: RunRecord, well: RunRecord
) -> None:
    found: set[str] = set()
    for name, frame in tables([failed, planned, cut, well]).by_name().items():
        missing = {str(column) for column in frame if frame[column].isna().any()}
        assert missing <= {column.name for column in TABLES[name] if column.may_be_missing}
        found |= missing
    assert found >= {"started", "ended", "duration", "exit_code", "stdin"}


def test_a_run_has_rows_for_its_steps_commands_and_checks(failed: RunRecord) -> None:
    made = tables([failed])
    (run,) = made.runs.to_dict("records")
    assert (run["status"], run["steps"], run["hosts"], run["lab"]) == (
        "failed",
        7,
        "host-a,host-b",
        "practice",
    )
    assert run["started"].tzinfo is not None
    assert run["duration"] == pytest.approx((run["ended"] - run["started"]).total_seconds())
    assert len(made.steps) == 14
    (row,) = made.steps.query("step == 6 and host == 'host-b'").to_dict("records")
    assert (row["status"], row["commands_sent"], row["checks"]) == ("failed", 1, 0)
    (broken,) = made.commands[~made.commands["accepted"]].to_dict("records")
    assert (broken["exit_code"], broken["stderr_head"], broken["sent"]) == (3, "it broke\n", True)
    assert (made.checks["holds"]).all()


def test_a_long_output_is_shown_by_head_tail_size_and_hash(failed: RunRecord, failed_directory: Path) -> None:
    commands = tables([failed]).commands
    row = commands[~commands["stdout_complete"]].iloc[0]
    whole = failed_directory / "output" / row["stdout_sha256"]
    assert row["stdout_size"] == whole.stat().st_size > 90_000
    assert whole.read_text().startswith(row["stdout_head"])
    assert whole.read_text().endswith(row["stdout_tail"])


def test_planned_commands_are_rows_that_were_not_sent(planned: RunRecord) -> None:
    commands = tables([planned]).commands
    not_sent = commands[~commands["sent"]]
    assert set(not_sent["number"]) == {0}
    assert set(not_sent["problem"]) == {"planned, not sent"}
    assert not_sent["exit_code"].isna().all()
    assert not_sent["position"].min() >= 1
    assert set(commands[commands["sent"]]["kind"]) == {"fact"}
    assert tables([planned]).steps["commands_planned"].sum() == len(not_sent)


def test_a_cut_journal_gives_tables_with_missing_times(cut: RunRecord) -> None:
    made = tables([cut])
    assert made.runs["status"].tolist() == ["unknown"]
    assert made.runs["ended"].isna().all()
    assert made.runs["duration"].isna().all()
    assert made.runs["incomplete"].str.contains("cut off").all()


def test_parquet_keeps_values_types_and_schema_version(
    failed: RunRecord, planned: RunRecord, tmp_path: Path
) -> None:
    made = tables([failed, planned])
    for path in write_parquet(made, tmp_path / "tables"):
        back = pd.read_parquet(path)
        pd.testing.assert_frame_equal(back, made.by_name()[path.stem])
        assert back.attrs["schema_version"] == SCHEMA_VERSION


def test_csv_gives_the_same_values_back(failed: RunRecord, tmp_path: Path) -> None:
    made = tables([failed])
    paths = write_csv(made, tmp_path)
    assert [path.name for path in paths] == ["runs.csv", "steps.csv", "commands.csv", "checks.csv"]
    back = pd.read_csv(
        paths[2], dtype={"stdout_head": "string"}, parse_dates=["started"], keep_default_na=False
    )
    assert back["stdout_head"].tolist() == made.commands["stdout_head"].tolist()
    assert (back["started"] == made.commands["started"]).all()


EVERY = "".join(
    map(chr, [*range(1, 0x300), 0x2028, 0x202E, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFF])
)


def test_every_character_can_be_in_the_files(tmp_path: Path) -> None:
    step = chapter.run().steps[0]
    host = step.hosts[0].model_copy(update={"message": EVERY, "operation": "a\rb"})
    run = chapter.run(steps=[step.model_copy(update={"hosts": [host], "title": EVERY})])
    made = tables([run])
    expected = EVERY.replace("\ud800", "?").replace("\udfff", "?")
    parquet = pd.read_parquet(write_parquet(made, tmp_path)[1])
    assert parquet["title"].tolist() == parquet["message"].tolist() == [expected]
    with write_csv(made, tmp_path)[1].open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["title"], row["message"], row["operation"]) == (expected, expected, "a\rb")
    read = pd.read_csv(tmp_path / "steps.csv", dtype="string", keep_default_na=False)
    assert read["operation"].tolist() == ["a\rb"]


def test_text_in_parquet_is_of_the_documented_type_however_pandas_holds_it(tmp_path: Path) -> None:
    made = tables([chapter.run()])
    # As pandas 2 holds text, and as it may with pyarrow: the file has the same types.
    asked: tuple[Any, ...] = ("object", "string[python]", "string[pyarrow]")
    for held in asked:
        text = [name for name, dtype in made.steps.dtypes.items() if dtype == "string"]
        steps = made.steps.astype(dict.fromkeys(text, held))
        path = write_parquet(replace(made, steps=steps), tmp_path)[1]
        schema = pyarrow.parquet.read_schema(path)
        assert {str(schema.field(name).type) for name in text} == {"large_string"}
        assert pd.read_parquet(path).attrs == {"schema_version": made.schema_version}


def test_a_record_of_ones_own_may_have_an_integer_of_any_size() -> None:
    deep: dict[str, object] = {}
    for _ in range(240):
        deep = {"in": deep}
    run = chapter.run(parameters={"count": 10**22, "deep": deep})
    made = tables([run])
    assert json.loads(made.runs["parameters"][0]) == run.parameters
