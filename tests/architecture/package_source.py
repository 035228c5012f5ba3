"""The package's modules, each parsed once per process, for the tests of the tree."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

__all__ = ["MODULES", "PACKAGE", "TOP", "parsed"]

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "runbook_lib"
MODULES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file; not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))
