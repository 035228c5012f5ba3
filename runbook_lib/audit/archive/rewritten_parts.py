"""Parts of an archive's cache that are written again: without rows of no entry of the index, and small ones merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runbook_lib.audit.archive.cache import Cache, FileEntry, Index

__all__ = ["rewrite_parts"]

_FEW = 20  # files of a part that is small
_MANY_SMALL = 16  # small parts that are merged into one: few enough to fit in memory


def rewrite_parts(cache: Cache, index: Index) -> None:
    """Write parts again that hold rows of files which are not in the index with this part, and merge small parts.

    Such rows are those of files that were dropped, and those of a part that was written when its files could not be
    entered, because of a Ctrl-C: they are read again, and would be in the tables twice.

    Args:
        cache: The archive's cache.
        index: Its index, whose entries are changed; it is not saved.

    Raises:
        EvidenceError: The cache cannot be written.
    """
    of_part: dict[str, list[FileEntry]] = {}
    for entry in index.entries.values():
        if entry.part:
            of_part.setdefault(entry.part, []).append(entry)
    stale = [part for part, entries in of_part.items() if cache.count(part) != len(entries)]
    small = [part for part, entries in of_part.items() if len(entries) < _FEW]
    whole = len(small) - len(small) % _MANY_SMALL
    groups = [small[start : start + _MANY_SMALL] for start in range(0, whole, _MANY_SMALL)]
    groups += [[part] for part in stale if part not in small[:whole]]
    for parts in groups:
        new = cache.merge(parts, {entry.file for part in parts for entry in of_part[part]})
        for part in parts:
            for entry in of_part[part]:
                index.entries[entry.path] = entry._replace(part=new)
