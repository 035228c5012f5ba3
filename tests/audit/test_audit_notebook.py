"""The analysis notebook under papermill, as its user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.plain_papermill import papermill

TOP = Path(__file__).parents[2]


def test_the_analysis_runs_from_start_to_end_on_an_archive(copied: Path, tmp_path: Path) -> None:
    # A title is not a formula, although matplotlib takes text between dollar signs for one.
    loose = copied / "loose" / "out.ipynb"
    text = loose.read_text(encoding="utf-8")
    assert "Fail where asked to" in text
    loose.write_text(text.replace("Fail where asked to", "$\\\\frac{$"), encoding="utf-8")
    done = papermill(
        [sys.executable, "-m", "papermill", str(TOP / "notebooks" / "95_audit.ipynb"), str(tmp_path / "out.ipynb"),
         "-p", "archive", str(copied), "-p", "policy", str(TOP / "params" / "audit" / "policy.yml")],
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    kinds = [kind for cell in cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert kinds.count("image/png") == 2
    text = json.dumps(cells)
    assert "unsigned-apply" in text
    assert "Fail where asked to" in text
