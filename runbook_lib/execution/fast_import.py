"""Import papermill and nbformat without optional packages that no runbook needs: 0.3 s in place of 1.4 s."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load_papermill", "without_modules"]

# jsonschema builds a grammar for international web addresses while it is imported (0.8 s), and imports checks of
# plain addresses and durations (0.03 s), if Jupyter's server has installed them; papermill imports Arrow (0.15 s)
# for outputs on HDFS. Both work without the packages.
_NOT_NEEDED = ("rfc3987_syntax", "rfc3986_validator", "isoduration", "pyarrow")


def load_papermill() -> None:
    """Import papermill, and its dependencies, quickly.

    For the start of a program: meanwhile no other thread may import the packages left out here. Afterwards they
    can be imported as usual.
    """
    with without_modules(*_NOT_NEEDED):
        importlib.import_module("papermill")


@contextlib.contextmanager
def without_modules(*names: str) -> Iterator[None]:
    """Let imports of `names` fail in the block, as if the packages were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules  # None is the documented way to mark a module as absent
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
