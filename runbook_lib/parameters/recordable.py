"""Which values can be recorded as they are given: JSON's."""

from __future__ import annotations

import datetime as dt
import math

__all__ = ["CIRCLE", "unrecordable"]

CIRCLE = "refers to itself"
"""What is wrong with a value that contains itself."""
_INTEGERS = range(-(2**63), 2**64)  # what readers of JSON keep exactly


def unrecordable(value: object, above: tuple[object, ...] = ()) -> str:
    """Return why a value cannot be recorded as it is, in JSON; empty if it can.

    Args:
        value: The value.
        above: The values that contain it.
    """
    if any(value is item for item in above):
        return CIRCLE
    within = (*above, value)
    problem = ""
    match value:
        case dt.date() | dt.time():
            problem = f"a date or time in YAML: {value}; write it in quotes"
        case float() if not math.isfinite(value):
            problem = "must be a finite number"
        case int() if value not in _INTEGERS:
            problem = "an integer of more than 64 bits; write it in quotes"
        case bytes() | set() | frozenset():
            problem = f"of type {type(value).__name__}, which parameters do not have"
        case str() if any("\ud800" <= character <= "\udfff" for character in value):
            problem = "not valid UTF-8 text"
        case dict():
            odd = next((key for key in value if not isinstance(key, str)), None)
            found = ((key, unrecordable(item, within)) for key, item in value.items())
            inner = (f"{key}: {text}" for key, text in found if text)
            problem = next(inner, "") if odd is None else f"the key {odd} is not text; write it in quotes"
        case list() | tuple():
            problem = next(filter(None, (unrecordable(item, within) for item in value)), "")
    return problem
