"""The archive and `verify` use the same word for a notebook whose JSON is unusual."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Archive
from runbook_lib.audit.verify.verify import verify_run

if TYPE_CHECKING:
    from pathlib import Path

PLOT = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {"papermill": {"parameters": {"a": 1}, "version": "2.4.0"}},
"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "fig", "outputs": [{"metadata": {},
"output_type": "display_data", "data": {"application/vnd.plotly.v1+json": {"y": [1.0, NaN, Infinity]}}}]}]}"""
HALF = {"input_path": "\ud83d.ipynb", "parameters": {"a\ud800": ["\udc00"]}, "version": "\ud800"}
ODD = {
    "nan": PLOT,
    "minus-infinity": PLOT.replace("NaN", "-Infinity"),
    "too-large": PLOT.replace("NaN", "1e999"),
    "half-character": json.dumps({"metadata": {"title": "\ud83d half"}, "cells": []}),
    "half-characters-of-papermill": json.dumps({"metadata": {"papermill": HALF}, "cells": []}),
    "half-characters-as-names": json.dumps({"metadata": {"\ud800": 1}, "cells": [{"\udc00": 1}]}),
    "utf-8-with-mark": "\ufeff" + PLOT,
}


@pytest.mark.parametrize("name", ODD)
def test_a_foreign_notebook_is_foreign_for_both(tmp_path: Path, name: str) -> None:
    path = tmp_path / "archive" / "book.ipynb"
    path.parent.mkdir()
    path.write_text(ODD[name], encoding="utf-8")
    assert verify_run(path).verdict == "foreign"
    assert list(Archive(path.parent, cache=tmp_path / "cache").files["kind"]) == ["foreign"]
