"""Parts of an archive's cache that are written again: without the rows of dropped files, and small ones merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from runbook_lib.report.arrow_rows import FILE

if TYPE_CHECKING:
    from runbook_lib.audit.archive.cache import Cache, FileEntry, Index

__all__ = ["rewrite_parts"]

_FEW = 20  # files of a part that is small
_MANY_SMALL = 16  # small parts that are merged into one: few enough to fit in memory


def rewrite_parts(cache: Cache, index: Index, dropped: set[int]) -> None:
    """Write parts again that hold rows of dropped files, and merge small parts.

    Args:
        cache: The archive's cache.
        index: Its index, whose entries are changed; it is not saved.
        dropped: Numbers of the files whose rows are to be removed.

    Raises:
        EvidenceError: The cache cannot be written.
    """
    of_part: dict[str, list[FileEntry]] = {}
    for entry in index.entries.values():
        if entry.part:
            of_part.setdefault(entry.part, []).append(entry)
    held = {entry.file for entries in of_part.values() for entry in entries}
    lost = dropped - held
    stale = [part for part in of_part if _holds(cache, part, lost)]
    small = [part for part, entries in of_part.items() if len(entries) < _FEW]
    whole = len(small) - len(small) % _MANY_SMALL
    groups = [small[start : start + _MANY_SMALL] for start in range(0, whole, _MANY_SMALL)]
    groups += [[part] for part in stale if part not in small[:whole]]
    for parts in groups:
        new = cache.merge(parts, lost)
        for part in parts:
            for entry in of_part[part]:
                index.entries[entry.path] = entry._replace(part=new)


def _holds(cache: Cache, part: str, files: set[int]) -> bool:
    if not files:
        return False
    held = pq.read_table(cache.file("runs", part), columns=[FILE]).column(FILE).to_pylist()
    return not files.isdisjoint(held)
