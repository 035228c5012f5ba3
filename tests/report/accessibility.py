"""axe-core in a page: what keeps people with a disability, or a bad screen, from reading it."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.report.browser import Page

__all__ = ["WIDTHS", "violations"]

WIDTHS = (390, 1280, 1920)
"""Of a phone, a notebook and a projector, in CSS pixels."""
_BAD = {"serious", "critical"}
_RUN = """
axe.run(%s, {resultTypes: ["violations"]}).then(result => result.violations.map(found => [
  found.impact, found.id, found.nodes.map(node => node.target.join(" "))]))
"""


@functools.cache
def _axe() -> str:
    """Return axe-core itself; the Python package that has it is a wrapper for other browsers' drivers."""
    found = importlib.util.find_spec("axe_core_python")
    assert found, "a package of the extra `test` is missing: axe-core-python"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, part: str = "document") -> list[str]:
    """Return the serious and critical findings in a page that is shown, each with the elements concerned.

    Args:
        page: The page.
        part: JavaScript for the element to look at.
    """
    page.run(f"{_axe()}; 0")
    return [
        f"{impact}: {rule}: {', '.join(map(str, targets[:5]))}"
        for impact, rule, targets in page.run(_RUN % part)
        if impact in _BAD
    ]
