"""Packages that not everybody needs: which extra of this package installs each, and the message if one is missing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from typing import TYPE_CHECKING

from runbook_lib.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["EXTRAS", "load", "missing_extra", "missing_packages", "named_extras"]

EXTRAS = {
    "archive": ("detect_secrets", "duckdb", "fsspec", "pyarrow"),
    "dask": ("distributed",),
    "jupyter": ("jupyterlab", "jupyterlab_server"),
    "keyring": ("keyring",),
    "lab": ("pyroute2",),
    "plots": ("matplotlib",),
    "pyinfra": ("pyinfra",),
    "pytest": ("pytest",),
    "store": (),  # a program, no module: `runbook_lib.lab.services.object_store`
    "testinfra": ("testinfra",),
}
"""Extra -> the modules that it makes available; a test compares both with `pyproject.toml`."""

_PURPOSES = {
    "archive": "archives of runs, and tables as CSV or Parquet, need",
    "dask": "runs and archives on a Dask cluster need",
    "jupyter": "JupyterLab needs",
    "keyring": "secrets from a keyring need",
    "lab": "the practice hosts need",
    "plots": "plots need",
    "pyinfra": "pyinfra's operations need",
    "pytest": "runbooks as tests need",
    "store": "the object store of the practice hosts needs",
    "testinfra": "testinfra's checks need",
}


def missing_extra(problem: ModuleNotFoundError) -> RequirementError | None:
    """Return the error that names the extra, if what could not be imported comes with one.

    Args:
        problem: As the import raised it.
    """
    for extra, modules in EXTRAS.items():
        if problem.name in modules:  # not a module inside of it: that one the installed version lacks
            from runbook_lib.installation import Origin  # noqa: PLC0415 - every command imports this module

            return RequirementError(
                f"{_PURPOSES[extra]} the Python package {problem.name}, which is not installed",
                hint=Origin.installed().pip_install(extra),
            )
    return None


@contextlib.contextmanager
def named_extras() -> Iterator[None]:
    """Raise, for a package of an extra that cannot be imported in the block, the error that names the extra.

    Raises:
        RequirementError: Such a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        missing = missing_extra(problem)
        if missing is None:
            raise
        raise missing from problem


def missing_packages(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed; nothing is imported."""
    return [module for module in EXTRAS[extra] if importlib.util.find_spec(module) is None]


def load(module: str) -> ModuleType:
    """Import a module that needs a package of an extra.

    Args:
        module: Its full name.

    Raises:
        RequirementError: The package is not installed.
        ModuleNotFoundError: The package is installed, and has no such module.
    """
    with named_extras():
        return importlib.import_module(module)
