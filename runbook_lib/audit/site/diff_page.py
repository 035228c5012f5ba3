"""The page of two runs compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.audit.run_diff import SECTIONS
from runbook_lib.audit.site.templating import render

if TYPE_CHECKING:
    import pandas as pd

    from runbook_lib.model.records import RunRecord

__all__ = ["diff_page"]


def diff_page(frame: pd.DataFrame, before: RunRecord, after: RunRecord, *, of_site: bool = False) -> str:
    """Return the page's HTML.

    Args:
        frame: From `audit.run_diff.compare`.
        before: The first run.
        after: The second run.
        of_site: Whether to link to the runs' own pages, which a site has in the same directory.
    """
    groups = {section: frame[frame["section"] == section].to_dict("records") for section in SECTIONS}
    return render("diff", before=before, after=after, groups=groups, meanings=SECTIONS, of_site=of_site)
