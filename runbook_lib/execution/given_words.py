"""Words of the command line that are taken as given, because their parameter is text."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["words"]

_NOT_TEXT = (int, float, bool, list, dict, Any, object)  # known without a schema, which takes time to make
_SECONDS_TOO = "duration"  # the format of timedelta, which is given as a number as well


def words(entry: CatalogEntry, pairs: Sequence[tuple[str, str]]) -> dict[str, str | None]:
    """Return the `-p NAME VALUE` pairs whose parameter is text: there the word counts as given, and is not YAML.

    As YAML, `hello # world` would be `hello`, `12:30` the number 750, and an empty word nothing at all. Only where the
    parameter may be absent (`str | None`), the word `null` stands for that.
    """
    given, fields = {name for name, _ in pairs}, entry.model.model_fields
    kinds = {name: _texts(fields[name].annotation) for name in given & set(fields)}
    return {
        name: None if word == "null" and type(None) in kinds[name] else word
        for name, word in pairs
        if str in kinds.get(name, ())
    }


def _texts(annotation: Any) -> set[type]:  # noqa: ANN401 - any type
    """Return `str`, and NoneType if there is a choice, for a parameter that takes text and nothing else."""
    origin, choices = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _texts(choices[0])
    if origin is Literal:
        found = {type(value) for value in choices}
    elif origin in {Union, types.UnionType}:
        found = {kind for choice in choices for kind in (_texts(choice) or {object})}
    else:
        found = {annotation} if annotation in {str, type(None)} else _as_schema_says(annotation)
    return found if found <= {str, type(None)} else set()


def _as_schema_says(annotation: Any) -> set[type]:  # noqa: ANN401 - any type
    """Return `str` for any other type that is written as text: a NewType of `str`, a URL, a secret, an enumeration."""
    if annotation in _NOT_TEXT:
        return set()
    try:
        schema = TypeAdapter(annotation).json_schema()
    except PydanticUserError:  # a type that pydantic or JSON Schema does not know
        return set()
    return {str} if schema.get("type") == "string" and schema.get("format") != _SECONDS_TOO else set()
