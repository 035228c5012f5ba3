"""Words of the command line that are taken as given, because their parameter is text."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.catalog import CatalogEntry

__all__ = ["words"]


def words(entry: CatalogEntry, pairs: Sequence[tuple[str, str]]) -> dict[str, str | None]:
    """Return the `-p NAME VALUE` pairs whose parameter is text: there the word counts as given, and is not YAML.

    As YAML, `hello # world` would be `hello`, `12:30` the number 750, and an empty word nothing at all. Only where the
    parameter may be absent (`str | None`), the word `null` stands for that.
    """
    kinds = {name: _texts(field.annotation) for name, field in entry.model.model_fields.items()}
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
        found = {annotation} if annotation in {str, type(None)} else set()
    return found if found <= {str, type(None)} else set()
