"""Finds pyinfra's operations by name, and makes operations of a runbook from calls of them."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyinfra.operations

from runbook_lib.errors import ParameterError
from runbook_lib.integrations.pyinfra.arguments import ALLOWED, GLOBAL, VERIFIABLE, global_arguments
from runbook_lib.integrations.pyinfra.operation import PyinfraOperation
from runbook_lib.integrations.pyinfra.recorded_host import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["OperationModule", "UnknownNameError", "module_names", "operation_names", "wrap"]

_REFUSED = {
    # By argument of an operation: what it would put where everybody can read it.
    ("server.user", "password"): "the hash of the password would be on a command line, and in the evidence",
}


class UnknownNameError(ParameterError, AttributeError):
    """There is no such module or operation; also an `AttributeError`, as Python expects of a missing attribute."""


@dataclass(frozen=True)
class OperationModule:
    """A module with pyinfra operations; each is an attribute.

    Args:
        loaded: The module.
    """

    loaded: ModuleType

    @classmethod
    def load(cls, name: str) -> OperationModule:
        """Import a module.

        Raises:
            UnknownNameError: There is no such module.
        """
        try:
            return cls(importlib.import_module(name))
        except ModuleNotFoundError as missing:
            if missing.name != name and not name.startswith(f"{missing.name}."):
                raise  # a package that the module itself needs
            own = name.removeprefix("pyinfra.operations.")
            raise UnknownNameError(
                f"there is no module {own!r} with pyinfra operations",
                where="pyinfra",
                hint=_suggestion(own, module_names()),
            ) from missing

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an operation, or a module inside this one
        """Return a function that makes operations, with pyinfra's signature and description."""
        if name.startswith("_"):
            raise AttributeError(name)
        found: Any = getattr(self.loaded, name, None)
        if hasattr(found, "_inner"):
            return wrap(found)
        if isinstance(found, ModuleType) or hasattr(self.loaded, "__path__"):
            return OperationModule.load(f"{self.loaded.__name__}.{name}")
        own = self.loaded.__name__.removeprefix("pyinfra.operations.")
        raise UnknownNameError(
            f"there is no operation {name!r} in pyinfra's module {own}",
            where=f"pyinfra.{own}",
            hint=_suggestion(name, operation_names(self.loaded)),
        )

    def __dir__(self) -> list[str]:
        """List the operations, for completion in a notebook."""
        return operation_names(self.loaded)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override] # shown by `?` in a notebook
        """The module's own description."""
        return self.loaded.__doc__


def module_names() -> list[str]:
    """Return the names of all modules below `pyinfra.operations`."""
    found = pkgutil.walk_packages(pyinfra.operations.__path__, "pyinfra.operations.")
    names = [item.name.removeprefix("pyinfra.operations.") for item in found if not item.ispkg]
    return [name for name in names if not name.startswith("util.")]


def operation_names(module: ModuleType) -> list[str]:
    """Return the names of the operations that a module defines."""
    return sorted(
        name
        for name, member in vars(module).items()
        if hasattr(member, "_inner") and member.__module__ == module.__name__ and not name.startswith("_")
    )


def wrap(operation: Callable[..., Any]) -> Callable[..., PyinfraOperation]:
    """Return a function that makes operations of a runbook from calls of a pyinfra operation.

    Args:
        operation: A function decorated with pyinfra's `@operation`.

    Raises:
        ParameterError: It is not.
    """
    inner = getattr(operation, "_inner", None)
    if inner is None:
        raise ParameterError(
            "is not a pyinfra operation",
            where=getattr(operation, "__name__", repr(operation)),
            hint="decorate it with pyinfra's @operation()",
        )
    name = f"{inner.__module__.rsplit('.', 1)[-1]}.{inner.__name__}"
    signature = inspect.signature(inner)

    @functools.wraps(inner)
    def make(*args: Any, **kwargs: Any) -> PyinfraOperation:  # noqa: ANN401 - pyinfra's own signature
        given = {
            key: kwargs.pop(key) for key in list(kwargs) if key in GLOBAL and key not in signature.parameters
        }
        repeatable = kwargs.pop(VERIFIABLE, True) and getattr(inner, "is_idempotent", True)
        bound = _bound(name, signature, args, kwargs)
        made = PyinfraOperation(
            Call(name, inner, bound, global_arguments(given, name)), repeatable=bool(repeatable)
        )
        made.verifiable  # noqa: B018 - refuses now what needs no fact to be refused
        return made

    make.__signature__ = _with_global_arguments(signature)  # type: ignore[attr-defined]
    return make


def _bound(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call by name.

    Raises:
        ParameterError: They do not fit.
    """
    names = list(signature.parameters)
    open_ended = any(item.kind is item.VAR_KEYWORD for item in signature.parameters.values())
    unknown = [] if open_ended else [key for key in kwargs if key not in names]
    if open_ended:
        unknown = [key for key in kwargs if key.startswith("_") and key not in names]
    if unknown:
        raise ParameterError(
            f"there is no argument {unknown[0]!r}",
            where=f"pyinfra.{name}",
            hint=_suggestion(unknown[0], [*names, *ALLOWED]),
        )
    for argument, value in kwargs.items():
        reason = _REFUSED.get((name, argument))
        if reason and value:
            raise ParameterError(
                f"`{argument}` is refused: {reason}",
                where=f"pyinfra.{name}",
                hint="give the user an SSH key, or set the password with chpasswd on standard input",
            )
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as problem:
        raise ParameterError(
            str(problem), where=f"pyinfra.{name}", hint=f"its arguments are: {', '.join(names)}"
        ) from problem
    flat: dict[str, Any] = {}
    for key, value in bound.arguments.items():
        if signature.parameters[key].kind is inspect.Parameter.VAR_KEYWORD:
            flat.update(value)
        else:
            flat[key] = value
    return flat


def _with_global_arguments(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature with the global arguments too, as `?` and completion show it in a notebook."""
    own = list(signature.parameters.values())
    rest = [item for item in own if item.kind is item.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in {**ALLOWED, VERIFIABLE: True}.items()
        if name not in signature.parameters
    ]
    return signature.replace(parameters=[*(item for item in own if item not in rest), *added, *rest])


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(names)}"
