"""Notebooks as runs leave them, made from the records of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

__all__ = ["as_notebook"]


def as_notebook(record: RunRecord) -> dict[str, Any]:
    """Return the notebook in which a run leaves its records, without the cards that a reader sees."""
    payload = record.model_dump(mode="json")
    opened = {"event": "opened", **{name: value for name, value in payload.items() if name != "steps"}}
    ended = {"event": "ended", "run": record.run, "status": payload["status"], "ended": payload["ended"]}
    bundles: list[dict[str, Any]] = [{RUN_MIME: opened}]
    bundles += [{STEP_MIME: {"schema_version": 1, "run": record.run, **step}} for step in payload["steps"]]
    bundles += [{RUN_MIME: {**ended, "steps": len(payload["steps"])}}]
    cells = [
        {
            "cell_type": "code",
            "execution_count": number,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [{"output_type": "display_data", "data": bundle, "metadata": {}}],
            "source": ["book.step()"],
        }
        for number, bundle in enumerate(bundles, start=1)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
