"""The last run of a runbook is shown as it is judged: by its journal and the notebook next to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from runbook_lib.cli.last_outcome import last_outcome
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.skipped_steps import count_steps
from runbook_lib.model.status import Status

RUNS = Path(__file__).parents[1] / "evidence" / "old_archive" / "runs"
RUN = "20261126T004351Z_10_practice_e8e65a"


def test_a_cell_that_raised_after_the_run_was_closed_is_a_failed_run(tmp_path: Path) -> None:
    run = Path(shutil.copytree(RUNS / RUN, tmp_path / RUN))
    before = last_outcome("10_practice", tmp_path)
    assert "changed" in before.text
    notebook = run / "notebook.ipynb"
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content["metadata"]["runbook_execution"] = {"ended": "finished", "problem": ""}
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    error = {"output_type": "error", "ename": "ValueError", "evalue": "after the end", "traceback": []}
    cells[-1]["outputs"].append(error)
    notebook.write_text(json.dumps(content), encoding="utf-8")
    after = last_outcome("10_practice", tmp_path)
    assert "failed" in after.text
    assert after.record is not None
    assert after.record.status == "failed"
    notebook.write_bytes(b"{")
    assert "unknown" in last_outcome("10_practice", tmp_path).text


def test_skipped_steps_are_counted(tmp_path: Path) -> None:
    counts = {
        run.name: count_steps(read_journal(run).steps, Status.SKIPPED)
        for run in RUNS.iterdir()
        if (run / "journal.jsonl").exists()
    }
    name = max(counts, key=lambda run: counts[run])
    shutil.copytree(RUNS / name, tmp_path / name)
    found = last_outcome(name.partition("_")[2].rpartition("_")[0], tmp_path)
    assert found.record is not None
    assert f"{counts[name]} of {len(found.record.steps)} steps skipped" in found.text
