"""The page of two runs compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.audit.run_diff import SECTIONS
from runbook_lib.audit.site.templating import render

if TYPE_CHECKING:
    import pandas as pd

    from runbook_lib.model.records import RunRecord

__all__ = ["diff_page"]

_MEANINGS = {
    "run": "who, where, from what",
    "parameters": "what was asked for",
    "source": "the notebook's code cells",
    "steps": "outcomes of steps on hosts",
    "commands": "what was sent to change something, and how it ended",
    "checks": "expected and observed",
    "durations": "where the difference is at least a second and a quarter",
    "facts": "what was seen on the hosts: drift",
}


def diff_page(frame: pd.DataFrame, before: RunRecord, after: RunRecord, *, of_site: bool = False) -> str:
    """Return the page's HTML.

    Args:
        frame: From `audit.diff.compare`.
        before: The first run.
        after: The second run.
        of_site: Link to the runs' own pages, which lie beside it.
    """
    groups = {section: frame[frame["section"] == section].to_dict("records") for section in SECTIONS}
    return render("diff", before=before, after=after, groups=groups, meanings=_MEANINGS, of_site=of_site)
