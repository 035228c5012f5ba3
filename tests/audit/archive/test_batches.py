"""Files are read in batches: what one file contains changes no other file's rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import archive_generator
from runbook_lib.audit.archive.batch_reader import read_batch
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.evidence.layout import RUN_MIME
from runbook_lib.report.table_columns import TABLES

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 20  # more than are read together


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inventory", None),  # a column without a value: left out
        ("runbook", 7),  # no text: the column does not take it
        ("parameters", "none"),  # no mapping, which a column of JSON takes
    ],
)
def test_a_file_with_an_unusual_value_leaves_the_rows_of_the_others(
    tmp_path: Path, field: str, value: object
) -> None:
    archive_generator.notebooks(tmp_path, COUNT, 40_000)
    odd = sorted(tmp_path.iterdir())[5]
    content = json.loads(odd.read_bytes())
    (start,) = (
        output["data"][RUN_MIME]
        for cell in content["cells"]
        for output in cell.get("outputs", ())
        if output["data"].get(RUN_MIME, {}).get("event") == "opened"
    )
    if value is None:
        del start[field]
    else:
        start[field] = value
    odd.write_text(json.dumps(content), encoding="utf-8")
    location = LocalLocation(tmp_path)
    found = [*enumerate(location.walk(), start=1)]
    together = read_batch(location, found)
    alone = [read_batch(location, [one]) for one in found]
    assert together.results == [result for batch in alone for result in batch.results]
    assert len(together.results) == COUNT
    for name in TABLES:
        rows = [row for batch in alone for row in batch.tables[name].to_pylist()]
        assert together.tables[name].to_pylist() == rows
