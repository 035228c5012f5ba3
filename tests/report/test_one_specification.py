"""A column is declared in one place, and everything that shows columns is made from it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.archive.records import records
from runbook_lib.model.plans import Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.report.data_frames import tables
from runbook_lib.report.table_columns import TABLES
from tests.deadlines import deadline

TOP = Path(__file__).parents[2]

# One column of each kind of source, declared before anything that uses the declaration is imported.
ADD_COLUMNS = """
from runbook_lib.report import table_columns as columns

columns.COMMANDS += (
    columns.Column("step_title", columns.TEXT, "the title of the command's step", "step.title"),
    columns.Column("words", columns.INTEGER, "words in the text", lambda command: len(command["text"].split())),
)
columns.TABLES["commands"] = columns.COMMANDS
"""
SHOW_COLUMNS = """
import json
import sys
from pathlib import Path

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.evidence.lookup import read_run
from runbook_lib.report.table_files import write_csv, write_parquet
from runbook_lib.report.data_frames import tables
from tests.report.tables_page import page
import pyarrow.parquet

run, directory = Path(sys.argv[1]), Path(sys.argv[2])
made = tables([read_run(run)])
archive = Archive(run.parent, cache=directory / "cache")
sql = archive.query("SELECT step_title, words FROM commands ORDER BY run, step, host, position")
print(json.dumps({
    "pandas": {name: str(dtype) for name, dtype in made.commands.dtypes.items()},
    "values": made.commands.sort_values(["step", "host", "position"])[["step_title", "words"]].to_dict("list"),
    "csv": write_csv(made, directory)[2].read_text().splitlines()[0].split(","),
    "parquet": pyarrow.parquet.read_schema(write_parquet(made, directory)[2]).names,
    "archive": {name: str(dtype) for name, dtype in archive.commands.dtypes.items()},
    "sql": sql.to_pydict(),
    "arrow": [str(kind) for kind in sql.schema.types],
    "document": page(),
}))
"""


def show_columns(program: str, run: Path, directory: Path) -> dict[str, Any]:
    directory.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, str(run), str(directory)],
        cwd=TOP,
        capture_output=True,
        encoding="utf-8",
        timeout=deadline(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def test_a_column_that_is_declared_is_in_pandas_arrow_sql_csv_parquet_and_the_document(
    failed_directory: Path, failed: RunRecord, tmp_path: Path
) -> None:
    archive = tmp_path / "runs"
    archive.mkdir()
    run = archive / failed_directory.name
    run.mkdir()
    (run / "journal.jsonl").write_bytes((failed_directory / "journal.jsonl").read_bytes())
    shown = show_columns(ADD_COLUMNS + SHOW_COLUMNS, run, tmp_path / "added")

    commands = tables([failed]).commands.sort_values(["step", "host", "position"])
    titles = {step.number: step.title for step in failed.steps}
    expected = {
        "step_title": [titles[number] for number in commands["step"]],
        "words": [len(text.split()) for text in commands["text"]],
    }
    assert shown["values"] == shown["sql"] == expected
    assert shown["arrow"] == ["string", "int64"]
    names = [column.name for column in TABLES["commands"]]
    assert shown["csv"] == shown["parquet"] == list(shown["pandas"]) == list(shown["archive"])
    assert shown["csv"] == [*names, "step_title", "words"]
    assert shown["pandas"] == shown["archive"]
    assert shown["pandas"]["words"] == "int64"
    assert (
        "| `step_title` | string | large_string |  | the title of the command's step |" in shown["document"]
    )
    assert "| `words` | int64 | int64 |  | words in the text |" in shown["document"]


def test_records_rebuilt_from_an_archive_are_those_it_was_made_from(
    failed_directory: Path, failed: RunRecord, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / failed_directory.name
    run.mkdir(parents=True)
    (run / "journal.jsonl").write_bytes((failed_directory / "journal.jsonl").read_bytes())
    archive = Archive(run.parent, cache=tmp_path / "cache")
    (rebuilt,) = records(archive.database, [failed.run]).values()
    for one, other in zip(rebuilt.steps, failed.steps, strict=True):
        for host, original in zip(one.hosts, other.hosts, strict=True):
            assert host.model_dump(exclude={"proven"}) == original.model_dump(exclude={"proven"})
    kept = NOT_IN_TABLES[RunRecord] | {"steps"}
    assert rebuilt.model_dump(exclude=kept) == failed.model_dump(exclude=kept)


# What evidence records and the tables do not show: about the process, not about what was done.
NOT_IN_TABLES: dict[type, set[str]] = {
    RunRecord: {
        *("pid", "pid_began", "boot", "unit", "message"),
        *("resumes", "resumes_sha256", "inventory_sha256", "inventory_kind", "endpoints", "notebook_file"),
    },
    StepRecord: {"started", "ended"},
    HostRecord: {"proven", "undoes"},
    CommandRecord: set(),
    Check: set(),
}


def test_every_field_of_a_record_is_a_column_or_is_named_here() -> None:
    sources = [column.source for columns in TABLES.values() for column in columns]
    paths = {source for source in sources if isinstance(source, str)}
    tables_of_their_own = {"run.steps", "step.hosts", "host.commands", "host.checks"}
    shown = {".".join(path.split(".")[:2]) for path in paths} | tables_of_their_own
    for model, name in (
        (RunRecord, "run"),
        (StepRecord, "step"),
        (HostRecord, "host"),
        (CommandRecord, "command"),
    ):
        missing = {field for field in model.model_fields if f"{name}.{field}" not in shown}
        assert missing == NOT_IN_TABLES[model], model
    assert {field.name for field in fields(Check)} == {
        path[6:] for path in paths if path.startswith("check.")
    }
