"""The file by which an earlier site is recognized, and which names its pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.errors import InputError
from runbook_lib.report.report_file import write_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["FOLDERS", "INDEX", "read_index", "remove_pages", "write_index"]

INDEX = "site.json"
FOLDERS = ("runs", "hosts")
"""Directories of a site, next to its index page."""
_FORMAT, _VERSION = "runbook audit html", 1
# Only files with such a name are ever removed, whatever the index says: it may have been changed, or be another's.
_PAGE = re.compile(rf"({'|'.join(FOLDERS)})/[A-Za-z0-9_-]+(\.diff)?\.html")
_HINT = "name a new directory; or, if nothing in it is needed, delete the directory first"


def read_index(site: Path, where: str) -> dict[str, str]:
    """Return the pages of an earlier site, each with the key of its content; of an empty directory, none.

    Args:
        site: The site's directory, which exists.
        where: The same as the user named it, for messages.

    Raises:
        InputError: The directory contains something else than a site that this version wrote.
        OSError: The directory cannot be read.
    """
    for name in FOLDERS:
        if (site / name).is_symlink():
            raise InputError(
                f"{name} is a symbolic link: no site is written through it", where=where, hint=_HINT
            )
    file = site / INDEX
    if not file.exists():
        if any(site.iterdir()):
            raise InputError("not empty, and not an earlier site", where=where, hint=_HINT)
        return {}
    try:
        content: Any = orjson.loads(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise InputError(f"not an earlier site: {INDEX} cannot be read", where=where, hint=_HINT) from problem
    pages = content.get("pages") if isinstance(content, dict) else None
    if (
        not isinstance(pages, dict)
        or (content.get("format"), content.get("version")) != (_FORMAT, _VERSION)
        or not all(isinstance(key, str) for key in pages.values())
    ):
        message = f"not an earlier site: {INDEX} is not of the form that this version writes"
        raise InputError(message, where=where, hint=_HINT)
    return dict(pages)


def write_index(site: Path, pages: Mapping[str, str]) -> None:
    """Write the file that names a site's pages.

    Args:
        site: The site's directory.
        pages: Each page with the key of its content.

    Raises:
        EvidenceError: The file cannot be written.
    """
    write_file(site / INDEX, orjson.dumps({"format": _FORMAT, "version": _VERSION, "pages": dict(pages)}))


def remove_pages(site: Path, names: Collection[str]) -> None:
    """Remove pages that a site no longer has; names that are not a page of a site are left alone.

    Args:
        site: The site's directory.
        names: As the earlier index has them.
    """
    for name in sorted(names):
        page = site / name
        if _PAGE.fullmatch(name) and (page.is_symlink() or not page.is_dir()):
            page.unlink(missing_ok=True)
