"""Records that an earlier version wrote have fewer fields: the quick reader completes them as the careful one does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import archive_generator
from runbook_lib.audit.archive.defaults import HOST
from runbook_lib.audit.archive.journal_rows import UNUSUAL
from runbook_lib.audit.archive.notebook_rows import run_of_notebook
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.notebook_records import record_of_notebook
from runbook_lib.report.arrow_rows import Rows

if TYPE_CHECKING:
    from pathlib import Path

Payload = dict[str, Any]


@pytest.fixture
def content(tmp_path: Path) -> Payload:
    archive_generator.notebooks(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    read: Payload = json.loads(file.read_bytes())
    return read


def hosts(content: Payload) -> list[Payload]:
    bundles = Notebook.parse(json.dumps(content).encode(), "book").bundles
    assert any(STEP_MIME in bundle for bundle in bundles())
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", ())]
    return [host for output in outputs for host in output["data"].get(STEP_MIME, {}).get("hosts", ())]


def notebook(content: Payload) -> Notebook:
    return Notebook.parse(json.dumps(content).encode(), "book")


def test_the_notebooks_of_the_benchmark_are_read_quickly(content: Payload) -> None:
    assert run_of_notebook(notebook(content)) is not None


@pytest.mark.parametrize("missing", sorted(HOST.keys() - {"address", "kind", "checks", "commands", "status"}))
def test_a_host_without_a_field_has_the_same_rows_as_by_the_careful_reader(
    content: Payload, missing: str
) -> None:
    for host in hosts(content):
        del host[missing]
    run = run_of_notebook(notebook(content))
    assert run is not None
    quick, careful = Rows(), Rows()
    quick.add(run)
    careful.add_record(record_of_notebook(notebook(content)))
    assert quick.tables() == careful.tables()


def test_a_field_that_no_version_has_is_left_to_the_careful_reader_which_refuses_it(content: Payload) -> None:
    for host in hosts(content):
        del host["undoes"]  # so that the number of fields is that of a record of today
        host["of_another_program"] = []
    with pytest.raises(UNUSUAL):
        run_of_notebook(notebook(content))
    with pytest.raises(EvidenceError):
        record_of_notebook(notebook(content))
