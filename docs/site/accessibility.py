"""What the theme leaves out of its pages for those who use a keyboard or a screen reader, added after the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["complete"]

_COMPLETED = {
    # A heading has a level: these are the titles of the sections in the navigation.
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    # What scrolls inside of a page can be scrolled by keyboard only if it can have the focus.
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    # Landmarks of one kind are distinguished by their names.
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Site">',
    '<aside class="toc-drawer': '<aside aria-label="Page" class="toc-drawer',
}


def complete(site: Path) -> None:
    """Complete every page.

    Args:
        site: The directory with the built pages.
    """
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for written, completed in _COMPLETED.items():
            text = text.replace(written, completed)
        if path.name.endswith(".zh.html"):
            text = text.replace('lang="en"', 'lang="zh-CN"', 1)
        path.write_text(text, encoding="utf-8")
