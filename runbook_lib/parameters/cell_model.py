"""The parameter model of a notebook that has none of its own: made from its parameters cell."""

from __future__ import annotations

import builtins
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaError

from runbook_lib.errors import InputError, ParameterError
from runbook_lib.parameters.annotations import evaluate, imported_names, inferred, is_for_types
from runbook_lib.parameters.cell import Declaration, declarations, imports
from runbook_lib.parameters.common import Parameters
from runbook_lib.yaml_files import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic.fields import FieldInfo

    from runbook_lib.parameters.annotations import Namespace

__all__ = ["cell_model", "declared_values", "model_of"]

_NAME = "the parameters cell"  # of the class: messages say `see the parameters cell for the allowed names`
_VALUES = (str, int, float, bool, list, dict, types.NoneType)


def cell_model(
    source: str, name: str, title: str, where: str, earlier: Sequence[str] = ()
) -> type[Parameters]:
    """Return the model of the parameters that a cell declares, together with the common ones.

    Args:
        source: The cell's source.
        name: The runbook's name.
        title: The runbook's title.
        where: The file to name in error messages.
        earlier: Sources of the code cells before it, which may import what its annotations name.

    Raises:
        InputError: The cell contains something else, an unknown annotation, a reserved name, or a default that does
            not fit its annotation.
    """
    declared = declarations(source, where)
    return model_of(declared, _known_names(source, where, earlier), name, title, where)


def model_of(
    declared: Sequence[Declaration], known: Namespace, name: str, title: str, where: str
) -> type[Parameters]:
    """Return the model of declared parameters; see `cell_model`.

    Args:
        declared: The parameters.
        known: The names that their annotations may use.
        name: The runbook's name.
        title: The runbook's title.
        where: The file to name in error messages.
    """
    fields: dict[str, Any] = {}
    for item in declared:
        _refuse_name(item, where)
        fields[item.name] = _field(item, known, where)
    try:
        model = create_model(_NAME, __base__=Parameters, **fields)
        model.runbook, model.title = name, title
        _check_defaults(model, declared, where)
    except (TypeError, ValueError, SchemaError, PydanticUserError) as problem:
        raise InputError(
            f"parameters cell: an annotation cannot be used: {str(problem).splitlines()[0]}", where=where
        ) from problem
    return model


def declared_values(source: str, where: str) -> dict[str, Any]:
    """Return the values of a parameters cell; parameters that must be given are left out.

    Raises:
        InputError: As `declarations`, or the cell imports anything but types.
    """
    _known_names(source, where, ())
    return {item.name: item.default for item in declarations(source, where) if item.has_default}


def _known_names(source: str, where: str, earlier: Iterable[str]) -> Namespace:
    own = imports(source, where)
    for item in own:
        if not is_for_types(item):
            raise InputError(
                f"parameters cell, line {item.line}: imports {item.module!r}, which is not a module of types",
                where=where,
                hint="move the import into a later cell; typing, annotated_types and pydantic may be imported",
            )
    before = []
    for cell in earlier:
        try:
            before += imports(cell, where)
        except InputError:  # a cell of magics, for example
            continue
    return imported_names([*before, *own])


def _refuse_name(item: Declaration, where: str) -> None:
    if item.name in Parameters.model_fields:
        return
    if hasattr(builtins, item.name):
        why = "is the name of a Python builtin, which the notebook would lose"
    elif item.name.startswith("_"):
        why = "begins with an underscore, and is therefore not a parameter"
    elif hasattr(BaseModel, item.name) or hasattr(Parameters, item.name) or item.name in {"runbook", "title"}:
        why = "is a name that parameters have for something else"
    else:
        return
    raise InputError(
        f"parameters cell, line {item.line}: {item.name!r} {why}",
        where=where,
        hint=f"choose another name, such as {item.name.strip('_') or 'value'}_name",
    )


def _field(item: Declaration, known: Namespace, where: str) -> tuple[Any, Any]:
    annotation = evaluate(item, known, where) if item.annotation else None
    if item.has_default and not isinstance(item.default, _VALUES):
        raise InputError(
            f"parameters cell, line {item.line}: the default of {item.name!r} is a {type(item.default).__name__}, "
            "which a parameters file cannot have",
            where=where,
            hint="use a text, number, boolean, list, mapping or None",
        )
    default: Any = item.default if item.has_default else ...
    common = Parameters.model_fields.get(item.name)
    if common is None:
        annotation = inferred(item.default) if item.annotation is None else annotation
        described: dict[str, Any] = {"description": item.description} if item.description else {}
        return annotation, Field(default, **described)
    narrowed = _common_type(item, common, annotation, where)
    return narrowed, Field(default, description=common.description)


def _common_type(item: Declaration, common: FieldInfo, annotation: Any, where: str) -> Any:  # noqa: ANN401 - types
    """Return the type of a common parameter that a cell declares too: it may only be narrower."""
    base, metadata = common.annotation, tuple(common.metadata)
    own = base
    if item.annotation:
        own, *constraints = _parts(annotation)
        metadata = (*metadata, *constraints)
        if not all(_is_within(member, _members(base)) for member in _members(own)):
            raise InputError(
                f"parameters cell, line {item.line}: {item.name!r} is a parameter of every runbook, of another type",
                where=where,
                hint=f"leave out its annotation, or choose another name: {common.description}",
            )
        if not _literals(own) and _literals(base):
            own = base
    return Annotated[(own, *metadata)] if metadata else own


def _parts(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - types
    if typing.get_origin(annotation) is Annotated:
        return (annotation.__origin__, *annotation.__metadata__)
    return (annotation,)


def _members(annotation: Any) -> list[Any]:  # noqa: ANN401 - types
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [types.NoneType if annotation is None else annotation]


def _literals(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - types
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def _is_within(own: Any, common: list[Any]) -> bool:  # noqa: ANN401 - types
    if own in common:
        return True
    choices = {value for member in common for value in _literals(member)}
    if _literals(own):
        return set(_literals(own)) <= choices or all(type(value) in common for value in _literals(own))
    return bool(choices) and own in {type(value) for value in choices}


def _check_defaults(model: type[Parameters], declared: Sequence[Declaration], where: str) -> None:
    lines = {item.name: item.line for item in declared}
    values = {item.name: item.default for item in declared if item.has_default}
    try:
        model.model_validate(values)
    except ValidationError as problem:
        wrong = [item for item in problem.errors(include_url=False) if item["type"] != "missing"]
        if wrong:
            texts = [
                f"line {lines[str(item['loc'][0])]}: default of {explain(item, model)}" for item in wrong
            ]
            raise ParameterError(
                f"parameters cell, {'; '.join(texts)}",
                where=where,
                hint="correct the value, or the annotation",
            ) from None  # the traceback of a notebook would show the values
