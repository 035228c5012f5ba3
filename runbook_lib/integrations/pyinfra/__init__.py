"""pyinfra's operations as steps of a runbook: `book.step("Web server", pyinfra.apt.packages(packages=["nginx"]))`.

Each module of `pyinfra.operations` is an attribute here, and each of its operations an attribute of that.
`pyinfra.module("some_package.operations")` gives the operations of any other package in the same way, and
`pyinfra.wrap` a single one. Needs the extra `pyinfra`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.extras import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.operations.base import Operation

__all__ = ["module", "wrap"]


def module(name: str) -> Any:  # noqa: ANN401 - its attributes are found at run time
    """Return a module with pyinfra operations, each of which makes an operation for `Runbook.step`.

    Args:
        name: Full name of the module, as `pyinfra.operations.apt`.

    Raises:
        RequirementError: pyinfra is not installed.
        ParameterError: There is no such module.
    """
    return _modules().OperationModule.load(name)


def wrap(operation: Callable[..., Any]) -> Callable[..., Operation]:
    """Return a function that makes operations for `Runbook.step` from a function decorated with pyinfra's `@operation`.

    Args:
        operation: pyinfra's operation.

    Raises:
        RequirementError: pyinfra is not installed.
        ParameterError: The function is not a pyinfra operation.
    """
    made: Callable[..., Operation] = _modules().wrap(operation)
    return made


def _modules() -> Any:  # noqa: ANN401 - a module of ours, which imports pyinfra
    load("pyinfra")
    return load("runbook_lib.integrations.pyinfra.modules")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute
    """Return a module of `pyinfra.operations`."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return module(f"pyinfra.operations.{name}")


def __dir__() -> list[str]:
    """List the modules of pyinfra, for completion in a notebook."""
    names: list[str] = _modules().module_names()
    return sorted([*__all__, *names])
