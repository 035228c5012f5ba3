"""Evidence of a newer version of this library: its values may mean something else, so it proves nothing here."""

from __future__ import annotations

from runbook_lib.model.records import SCHEMA_VERSION

__all__ = ["why_not_understood"]


def why_not_understood(version: object) -> str:
    """Return why evidence of this schema version cannot be interpreted; empty if it can.

    Args:
        version: As recorded; evidence of the first versions may have none.
    """
    if not isinstance(version, int) or version <= SCHEMA_VERSION:
        return ""
    return (
        f"written by a newer version of runbook-lib (schema version {version}; "
        f"this version reads up to {SCHEMA_VERSION})"
    )
