"""Import papermill and nbformat without optional packages that no runbook needs: 0.3 s in place of 1.4 s."""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["load_nbformat", "load_papermill", "without_modules"]

# jsonschema builds a grammar for international web addresses while it is imported (0.8 s), and imports checks of
# plain addresses, colors and durations (0.03 s), if Jupyter's server has installed them; papermill imports Arrow
# (0.15 s) for outputs on HDFS. Both work without the packages.
_FORMATS = (
    "rfc3987_syntax",
    "rfc3986_validator",
    "rfc3339_validator",
    "isoduration",
    "webcolors",
    "uri_template",
    "idna",
    "fqdn",
    "jsonpointer",
)
_NOT_NEEDED = (*_FORMATS, "pyarrow")
# papermill imports it for notebooks on web servers (0.04 s).
_DEFERRED = "requests"


def load_nbformat() -> None:
    """Import nbformat, and its dependencies, quickly; see `load_papermill`."""
    with without_modules(*_FORMATS):
        importlib.import_module("nbformat")


def load_papermill() -> None:
    """Import papermill, and its dependencies, quickly.

    For the start of a program: meanwhile no other thread may import the packages left out here. Afterwards they
    can be imported as usual.
    """
    with without_modules(*_NOT_NEEDED), _deferred(_DEFERRED):
        importlib.import_module("papermill")


class _DeferredModule(ModuleType):
    """Stands for a module that is imported once something of it is used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        """Return an attribute of the module itself."""
        _remove(self)
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _deferred(name: str) -> Iterator[None]:
    """Let imports of a module in the block give a stand-in, unless the module is loaded already."""
    standin = _DeferredModule(name)
    sys.modules.setdefault(name, standin)
    try:
        yield
    finally:
        _remove(standin)


def _remove(module: ModuleType) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]


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
