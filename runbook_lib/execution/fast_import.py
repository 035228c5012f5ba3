"""Load papermill and nbformat without what they try to load and no runbook needs: 0.3 s in place of 1.4 s."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load_papermill", "nothing_is_garbage", "without"]

# jsonschema builds a grammar for international web addresses while it is imported (0.8 s), and loads what checks
# plain ones and durations (0.03 s), where Jupyter's server has brought it; papermill loads Arrow (0.15 s) for
# outputs on HDFS. Both do without what is missing.
_NOT_NEEDED = ("rfc3987_syntax", "rfc3986_validator", "isoduration", "pyarrow")


def load_papermill() -> None:
    """Import papermill, and what comes with it, quickly.

    For the beginning of a program: meanwhile no other thread may import what is left out here. Afterwards all
    can be imported as ever.
    """
    with without(*_NOT_NEEDED):
        importlib.import_module("papermill")


@contextlib.contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """Keep Python from looking for garbage while libraries are loaded: that would take a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Let imports of `names` fail in the block, as those of packages that are not installed."""
    away = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules  # None is the documented way to say that there is no such module
    modules.update(dict.fromkeys(away))
    try:
        yield
    finally:
        for name in away:
            del sys.modules[name]
