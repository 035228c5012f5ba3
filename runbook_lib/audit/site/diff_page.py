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
    "run": "operator, machine, versions, source",
    "parameters": "what the run was given",
    "source": "the notebook's code cells",
    "steps": "outcomes per step and host",
    "commands": "commands that change something, and how they ended",
    "checks": "expected and observed",
    "durations": "differences of at least one second and 25 %",
    "facts": "what the hosts reported: drift",
}


def diff_page(frame: pd.DataFrame, before: RunRecord, after: RunRecord, *, of_site: bool = False) -> str:
    """Return the page's HTML.

    Args:
        frame: From `audit.run_diff.compare`.
        before: The first run.
        after: The second run.
        of_site: Whether to link to the runs' own pages, which a site has in the same directory.
    """
    groups = {section: frame[frame["section"] == section].to_dict("records") for section in SECTIONS}
    return render("diff", before=before, after=after, groups=groups, meanings=_MEANINGS, of_site=of_site)
