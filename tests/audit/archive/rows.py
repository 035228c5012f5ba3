"""A row of an archive's tables, and a run of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.archive.archive import Archive


def of(archive: Archive, path: str) -> dict[Any, Any]:
    (row,) = archive.files[archive.files["path"] == path].to_dict("records")
    return row


def some_run(top: Path) -> Path:
    return sorted((top / "runs").iterdir())[1]
