"""The types that a parameters cell may name, from its annotations, which are read and never executed."""

from __future__ import annotations

import ast
import functools
import operator
import typing
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import annotated_types
import pydantic
from pydantic import Field

from runbook_lib.errors import InputError
from runbook_lib.parameters.cell import Declaration, parse_annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runbook_lib.parameters.cell import Import

__all__ = ["Namespace", "evaluate", "imported_names", "inferred", "is_for_types"]

Namespace = dict[str, Any]

_BUILTINS: Namespace = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
_MODULES: dict[str, tuple[Any, frozenset[str]]] = {
    "typing": (
        typing,
        frozenset({"Annotated", "Any", "Dict", "List", "Literal", "Optional", "Union"}),
    ),
    "annotated_types": (
        annotated_types,
        frozenset({"Ge", "Gt", "Interval", "Le", "Len", "Lt", "MaxLen", "MinLen", "MultipleOf"}),
    ),
    "pydantic": (
        pydantic,
        frozenset({
            "Field",
            "NegativeFloat",
            "NegativeInt",
            "NonNegativeFloat",
            "NonNegativeInt",
            "NonPositiveFloat",
            "NonPositiveInt",
            "PositiveFloat",
            "PositiveInt",
        }),
    ),
}  # fmt: skip
_FIELD = frozenset(
    "description ge gt le lt max_length min_length multiple_of pattern allow_inf_nan".split()  # noqa: SIM905
)
_CONSTRAINTS = frozenset({*_MODULES["annotated_types"][1], "Field"})


def evaluate(declared: Declaration, known: Namespace, where: str) -> Any:  # noqa: ANN401 - a type, maybe a generic one
    """Return the type that an annotation names.

    Args:
        declared: The parameter; it has an annotation.
        known: The names that the notebook has imported, from `imported_names`.
        where: The file to name in error messages.

    Raises:
        InputError: The annotation is not one that parameters may have.
    """
    return _Annotation(declared, {**_BUILTINS, **known}, where).type_of(declared.annotation)


class _Annotation:
    def __init__(self, declared: Declaration, known: Namespace, where: str) -> None:
        self._declared = declared
        self._known = known
        self._where = where

    def type_of(self, node: ast.expr | None) -> Any:  # noqa: ANN401 - a type
        match node:
            case ast.Constant(value=None):
                return NoneType
            case ast.Constant(value=str(text)):
                return self.type_of(parse_annotation(text, self._declared.line, self._where))
            case ast.Name() | ast.Attribute():
                found = self._named(node)
                if (
                    found in {Literal, Annotated, typing.Optional, typing.Union}
                    or found in self._constraints()
                ):
                    raise self._refused(node)
                return found
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return self.type_of(left) | self.type_of(right)
            case ast.Subscript(value=value, slice=inner):
                return self._generic(node, self._named(value), inner)
            case _:
                raise self._refused(node)

    def _generic(self, node: ast.expr, origin: Any, inner: ast.expr) -> Any:  # noqa: ANN401 - types
        items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if origin is Literal:
            return Literal[tuple(self._literal(item) for item in items)]
        if origin is Annotated and len(items) > 1:
            metadata = tuple(self._constraint(item) for item in items[1:])
            return Annotated[(self.type_of(items[0]), *metadata)]
        types = tuple(self.type_of(item) for item in items)
        if origin is typing.Union:
            return functools.reduce(operator.or_, types)
        number = {typing.Optional: 1, list: 1, typing.List: 1, dict: 2, typing.Dict: 2}.get(origin)  # noqa: UP006
        if number is None or number != len(types):
            raise self._refused(node)
        return origin[types if number > 1 else types[0]]

    def _constraint(self, node: ast.expr) -> Any:  # noqa: ANN401 - of annotated_types or pydantic
        match node:
            case ast.Constant(value=str(text)):
                return Field(description=text)
            case ast.Call(func=function, args=given, keywords=named):
                make = self._named(function)
                if make not in self._constraints():
                    raise self._refused(node)
                options = {item.arg or "**": self._literal(item.value) for item in named}
                allowed: Iterable[str] = _FIELD if make is Field else options
                if not set(options) <= set(allowed) or "**" in options or (make is Field and given):
                    raise self._refused(node)
                return self._made(node, make, [self._literal(item) for item in given], options)
            case _:
                raise self._refused(node)

    def _made(
        self, node: ast.expr, make: Callable[..., Any], given: list[Any], options: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401 - as above
        try:
            return make(*given, **options)
        except (TypeError, ValueError) as problem:
            raise self._refused(node, str(problem)) from problem

    def _constraints(self) -> list[Any]:
        return [getattr(module, name) for module, names in _MODULES.values() for name in names & _CONSTRAINTS]

    def _named(self, node: ast.expr) -> Any:  # noqa: ANN401 - what a name stands for
        name = ast.unparse(node)
        if name in self._known:
            return self._known[name]
        raise self._refused(node)

    def _literal(self, node: ast.expr) -> Any:  # noqa: ANN401 - any literal
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError) as problem:
            raise self._refused(node) from problem

    def _refused(self, node: ast.expr | None, why: str = "") -> InputError:
        shown = ast.unparse(node) if node else ""
        return InputError(
            f"parameters cell, line {self._declared.line}: the annotation of {self._declared.name!r} cannot be "
            f"used: {shown!r}" + (f": {why}" if why else " is not a known type or constraint"),
            where=self._where,
            hint=_hint(shown),
        )


def _hint(name: str) -> str:
    for module, (_, names) in _MODULES.items():
        if name in names:
            return f"import it in the parameters cell: from {module} import {name}"
    return (
        "use str, int, float, bool, list, dict, None, Literal, or Annotated with constraints such as Gt(0); "
        "for any other type name a parameter model in the notebook's metadata"
    )


def imported_names(found: Iterable[Import]) -> Namespace:
    """Return the types and constraints among the names that cells import."""
    known: Namespace = {}
    for item in found:
        module, names = _MODULES.get(item.module, (None, frozenset()))
        if module is None:
            continue
        if not item.attribute:
            known |= {f"{item.name}.{name}": getattr(module, name) for name in names}
        elif item.attribute in names:
            known[item.name] = getattr(module, item.attribute)
    return known


def is_for_types(item: Import) -> bool:
    """Return whether an import is one that a parameters cell may have."""
    return item.module in {*_MODULES, "__future__"}


def inferred(value: object) -> Any:  # noqa: ANN401 - a type
    """Return the type of a parameter that has a default and no annotation."""
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        return list[kinds.pop()] if len(kinds) == 1 and kinds <= {str, int, float, bool} else list[Any]  # type: ignore[misc]
    if isinstance(value, dict):
        return dict[str, Any]
    return Any if value is None else type(value)
