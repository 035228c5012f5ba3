"""Check the built pages: links lead somewhere, and no page loads anything from another machine."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["problems"]

_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
_LOADING_LINKS = ("stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "modulepreload", "manifest")
_REMOTE_STYLE = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import\s+['\"]?(?:https?:)?//", re.IGNORECASE)


class _Page(HTMLParser):
    """The ids, links and loaded files of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and any(kind in given.get("rel", "") for kind in _LOADING_LINKS):
            self.loaded.append(given.get("href", ""))
        elif given.get(_LOADS.get(tag, "")):
            self.loaded.append(given[_LOADS[tag]])


def problems(site: Path) -> list[str]:
    """Return one line for each broken link and each request to another machine; none if the site is in order.

    Args:
        site: The directory with the built pages.
    """
    pages: dict[Path, _Page] = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.resolve()] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [
            f"{name}: broken link: {link}" for link in page.links if not _leads_somewhere(link, path, pages)
        ]
        found += [f"{name}: loads {address}" for address in page.loaded if _is_remote(address)]
    found += [
        f"{path.relative_to(site)}: loads a file of another machine"
        for path in sorted([*site.rglob("*.css"), *site.rglob("*.html")])
        if _REMOTE_STYLE.search(path.read_text(encoding="utf-8"))
    ]
    return found


def _is_remote(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def _leads_somewhere(link: str, page: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True  # another machine's: not asked
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids
