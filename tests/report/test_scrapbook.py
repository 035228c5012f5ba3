"""scrapbook itself reads the summaries in our notebooks."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import scrapbook

from runbook_lib.display.scrapbook import SCRAP_MIME
from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.lookup import read_run
from runbook_lib.model.status import Status
from tests.deadlines import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.report.conftest import Notebook, StartNotebook


def scraps(path: Path) -> dict[str, Any]:
    """Everything that scrapbook finds, by name; each was valid against its schema."""
    found: dict[str, Any] = scrapbook.read_notebook(str(path)).scraps.data_dict
    return found


def outputs(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]


def test_scrapbook_sees_a_summary_of_each_step_and_of_the_run(start_notebook: StartNotebook) -> None:
    notebook = start_notebook(fail_on="host-b")
    assert notebook.finish() != 0
    found = scraps(notebook.executed)
    record = read_run(notebook.directory)
    assert found["runbook.run"]["run"] == found["runbook.end"]["run"] == record.run
    assert found["runbook.end"]["status"] == record.status == Status.FAILED
    for step in record.steps:
        summary = found.pop(f"runbook.step.{step.number}")
        assert (summary["title"], summary["status"]) == (step.title, step.status)
        assert {name: host["status"] for name, host in summary["hosts"].items()} == {
            host.host: host.status for host in step.hosts
        }
    assert sorted(found) == ["runbook.end", "runbook.run"]


def test_each_scrap_is_in_the_output_of_its_record_and_much_smaller(start_notebook: StartNotebook) -> None:
    notebook = start_notebook()
    assert notebook.finish() == 0
    shown = outputs(notebook.executed)
    assert all(("text/html" in data) == (SCRAP_MIME in data) for data in shown)
    steps = [data for data in shown if STEP_MIME in data]
    size = {mime: sum(len(json.dumps(data[mime])) for data in steps) for mime in (STEP_MIME, SCRAP_MIME)}
    assert size[SCRAP_MIME] < 0.1 * size[STEP_MIME]


def test_a_killed_run_has_no_scrap_of_its_end(start_notebook: StartNotebook) -> None:
    notebook = start_notebook(wait=60.0)
    wait_for_the_fifth_step(notebook)
    os.kill(read_run(notebook.directory).pid, signal.SIGKILL)
    assert notebook.finish() != 0
    found = scraps(notebook.executed)
    assert {"runbook.run", "runbook.step.4"} <= set(found)
    assert not {"runbook.step.5", "runbook.end"} & set(found)


def wait_for_the_fifth_step(notebook: Notebook) -> None:
    def begun() -> bool:
        assert notebook.process.poll() is None, notebook.process.communicate()
        return any(b"sleep 60" in path.read_bytes() for path in notebook.runs.glob("*/journal.jsonl"))

    wait_until(begun, "the fifth step")
