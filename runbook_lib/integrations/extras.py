"""Packages that only some runbooks need: each is installed with an extra of this package."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from runbook_lib.errors import RequirementError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["load"]


def load(module: str, extra: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: Its full name.
        extra: The extra of this package that installs it.

    Raises:
        RequirementError: The package is not installed.
        ModuleNotFoundError: The package is installed, and has no such module.
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as missing:
        raise RequirementError(
            f"the Python package of the extra `{extra}` is not installed: {missing}",
            where=f"runbook_lib.integrations.{extra}",
            hint=f"pip install 'runbook-lib[{extra}]'",
        ) from missing
    return importlib.import_module(module)
