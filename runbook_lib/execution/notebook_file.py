"""Read a notebook that is going to be run, and refuse one that papermill and Jupyter cannot work with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbformat.validator import get_validator

from runbook_lib.errors import InputError
from runbook_lib.masking import excerpt

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_notebook"]

_FORMAT, _WITH_IDS = (
    4,
    5,
)  # of notebooks: the format's version, and the minor version from which cells have ids
_LONGEST = 200  # characters of a message about a notebook


def _schema_error(content: dict[str, Any], minor: int) -> str:
    """Return where a notebook is not as the schema of its format wants it, and why; empty if it is."""
    # papermill needs this validator anyway, and each takes 0.03 s to make: the second, which allows additional
    # properties, only if the notebook has some.
    strict = get_validator(_FORMAT, minor)  # type: ignore[no-untyped-call]
    if strict is None:
        return f"nbformat_minor {minor} is not known"
    if not [*strict.iter_errors(content)]:
        return ""
    quick, exact = (
        get_validator(_FORMAT, minor, relax_add_props=True, name=name)  # type: ignore[no-untyped-call]
        for name in (None, "jsonschema")
    )
    if not [*quick.iter_errors(content)]:
        return ""
    wrong = next(iter(exact.iter_errors(content)))
    while wrong.context:  # none of several forms: the deepest error is of the one that was meant
        wrong = max(wrong.context, key=lambda error: len(error.absolute_path))
    place = ".".join(map(str, wrong.absolute_path))
    return f"{place}: {excerpt(wrong.message, _LONGEST)}" if place else excerpt(wrong.message, _LONGEST)


def read_notebook(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a notebook's cells and metadata, if it is one that papermill and Jupyter can work with.

    nbformat's own reader only logs what is wrong with a notebook, and at what it does not expect raises anything.

    Raises:
        InputError: The file is not a notebook of format 4, or not a valid one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))  # as papermill and Jupyter read it
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"not a notebook: {problem}", where=str(path)) from problem
    minor = content.get("nbformat_minor") if isinstance(content, dict) else None
    if (
        type(minor) is not int
        or not isinstance(content.get("cells"), list)
        or content.get("nbformat") != _FORMAT
    ):
        raise InputError(
            f"not a notebook of format {_FORMAT}",
            where=str(path),
            hint="open it in JupyterLab, and save it again",
        )
    # A cell without an id is given one when the notebook is run.
    named = [
        {"id": f"cell-{number}", **cell} if minor >= _WITH_IDS and isinstance(cell, dict) else cell
        for number, cell in enumerate(content["cells"])
    ]
    wrong = _schema_error({**content, "cells": named}, minor)
    if wrong:
        raise InputError(
            f"not a valid notebook: {wrong}", where=str(path), hint="open it in JupyterLab, and save it again"
        )
    return content["cells"], content["metadata"]
