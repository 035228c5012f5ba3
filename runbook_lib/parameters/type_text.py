"""How a parameter's type and constraints read, for `runbook show`."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["constraints", "type_text"]

_NAMES = {Any: "any", types.NoneType: "None", None: "None"}
_CONSTRAINTS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "multiple_of": "a multiple of {}",
    "min_length": "length at least {}",
    "max_length": "length at most {}",
    "pattern": "matches {}",
}


def type_text(annotation: Any) -> str:  # noqa: ANN401 - a type
    """Return a type as a parameters file's author would name it.

    >>> type_text(list[str] | None), type_text(Literal["plan", "apply"]), type_text(dict[str, Any])
    ('list[str] | None', "'plan' | 'apply'", 'dict[str, any]')
    """
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        limits = constraints(annotation.__metadata__)
        return type_text(inner[0]) + (f" ({', '.join(limits)})" if limits else "")
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(map(type_text, inner))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(type_text, inner))}]"
    return _NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def constraints(metadata: Iterable[Any]) -> list[str]:
    """Return what annotations and pydantic's metadata demand of a value, each in a few words."""
    found = []
    for item in metadata:
        for name, text in _CONSTRAINTS.items():
            value = getattr(item, name, None)
            if value is not None and not callable(value):
                found.append(text.format(value))
    return found
