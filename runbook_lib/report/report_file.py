"""Write a report's file whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runbook_lib.atomic import replace_file
from runbook_lib.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["refusing", "write_bytes"]


def write_bytes(path: Path, data: bytes) -> None:
    """Put a file in place in one step: what was there before stays until the new one is whole.

    Raises:
        EvidenceError: It cannot be written.
    """
    with refusing(path):
        replace_file(path, data)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn a failure to write into the message that a user needs."""
    try:
        yield
    except OSError as problem:
        raise EvidenceError(
            f"the report cannot be written: {problem.strerror or problem}",
            where=str(path),
            hint="name a place with room and with the right to write, with --output",
        ) from problem
