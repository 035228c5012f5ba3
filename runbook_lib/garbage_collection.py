"""Keep Python's garbage collector from scanning many objects in vain."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["freeze_objects", "paused_gc"]


@contextlib.contextmanager
def paused_gc(*, freeze: bool = False) -> Iterator[None]:
    """Switch the garbage collector off while the block runs.

    For blocks that create many objects without cycles, such as parsed JSON or imported modules: the collector would
    scan all of them again and again.

    Args:
        freeze: Exempt the objects that live after the block from later collections; for modules, which stay.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if freeze:
            freeze_objects()
        if was_enabled:
            gc.enable()


def freeze_objects() -> None:
    """Exempt all live objects from garbage collection, unless DuckDB is loaded.

    On exit DuckDB's binding lists on standard error which of its objects were never freed, and frozen ones never
    are.
    """
    if "_duckdb" not in sys.modules:
        gc.freeze()
