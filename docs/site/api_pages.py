"""The reference of the public API: which names there are; Sphinx takes the texts from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import FunctionType
from typing import TYPE_CHECKING, Any

import runbook_lib
from runbook_lib import errors
from runbook_lib.facts.base import Fact
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["api_page", "facts_page", "operations_page"]


def api_page() -> str:
    """Return the page of the names of `runbook_lib` itself."""
    lines = ["# The public API", "", "What `from runbook_lib import …` offers.", ""]
    for name in sorted(set(runbook_lib.__all__) - {"__version__", "errors"}):
        value = getattr(runbook_lib, name)
        methods = [":members:"] if _has_methods(value) else []
        methods += [":inherited-members:"] if _inherits_methods(value) else []
        methods += [":exclude-members: model_config"] if methods and hasattr(value, "model_config") else []
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        lines += [f"## `{name}`", "", *_directive(kind, f"{value.__module__}.{name}", *methods)]
    lines += ["## Errors", "", "```text", inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1], "```", ""]
    for name in errors.__all__:
        lines += _directive("autoexception", f"runbook_lib.errors.{name}")
    return "\n".join(lines) + "\n"


def facts_page() -> str:
    """Return the page of all facts, one section per module, each with the data that it returns."""
    lines = ["# Facts", "", "What can be read from a host: `from runbook_lib.facts.MODULE import NAME`.", ""]
    for name, module in _modules("facts"):
        classes = [getattr(module, public) for public in module.__all__]
        own = [value for value in classes if inspect.isclass(value)]
        if name == "base" or not any(issubclass(value, Fact) for value in own):
            continue
        lines += [f"## `{name}`", "", _summary(module), ""]
        for value in own:
            lines += _directive("autoclass", f"{value.__module__}.{value.__qualname__}")
    return "\n".join(lines) + "\n"


def operations_page() -> str:
    """Return the page of all operations, as notebooks call them."""
    lines = [
        "# Operations",
        "",
        "Desired states: `from runbook_lib.operations import MODULE`, then `MODULE.NAME(…)`.",
        "",
    ]
    for name, module in _modules("operations"):
        found = [public for public in module.__all__ if _makes_operation(module, public)]
        if found:
            lines += [f"## `{name}`", "", _summary(module), ""]
        for public in found:
            value = getattr(module, public)
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            lines += [f"### `{name}.{public}`", ""]
            lines += _directive(kind, f"{module.__name__}.{value.__qualname__}")
    return "\n".join(lines) + "\n"


def _has_methods(value: Any) -> bool:  # noqa: ANN401 - a class or a function
    """Whether a class has methods of its own, which are called, or written, outside of the library."""
    functions = (FunctionType, classmethod, staticmethod)
    return inspect.isclass(value) and any(
        isinstance(member, functions) for name, member in vars(value).items() if not name.startswith("_")
    )


def _inherits_methods(value: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a class has methods from one that is not public."""
    bases = inspect.getmro(value)[1:] if inspect.isclass(value) else ()
    ours = (base for base in bases if base.__module__.startswith("runbook_lib."))
    return any(_has_methods(base) for base in ours if base.__name__ not in runbook_lib.__all__)


def _makes_operation(module: ModuleType, name: str) -> bool:
    """Whether a name is what notebooks call: a lower-case class, or a function that returns an operation."""
    value: Any = getattr(module, name)
    if not name.islower():
        return False
    if inspect.isclass(value):
        return issubclass(value, Operation)
    if not inspect.isfunction(value):
        return False
    returned = getattr(module, str(value.__annotations__.get("return")), None)
    return inspect.isclass(returned) and issubclass(returned, Operation)


def _modules(package: str) -> Iterator[tuple[str, ModuleType]]:
    folder = importlib.import_module(f"runbook_lib.{package}")
    for found in pkgutil.iter_modules(folder.__path__):
        if not found.ispkg:  # what one operation is made of
            yield found.name, importlib.import_module(f"runbook_lib.{package}.{found.name}")


def _summary(module: ModuleType) -> str:
    return inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]


def _directive(kind: str, name: str, *options: str) -> list[str]:
    return ["```{eval-rst}", f".. {kind}:: {name}", *(f"   {option}" for option in options), "```", ""]
