"""What is wrong with a value in evidence, in one line."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ["in_one_line"]

_LONGEST = 300  # characters


def in_one_line(problem: Exception) -> str:
    """Return what a malformed value is and where: of pydantic's several lines the first value, without its advice.

    Args:
        problem: What reading the value raised.
    """
    if not isinstance(problem, ValidationError):
        return str(problem).partition("\n")[0][:_LONGEST]
    first, *others = problem.errors(include_url=False, include_context=False)
    place = ".".join(map(str, first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    return f"{place}: {first['msg']}{more}"[:_LONGEST]
