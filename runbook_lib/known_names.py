"""Names that a person types: in full, as a prefix that only one name has, or with a typing mistake."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["closest_name", "complete_name", "did_you_mean", "unknown_name"]

_PART = 3  # characters from which a part of a name says which one is meant
_SHOWN = 6  # of many names with the same prefix


def complete_name(
    name: str,
    known: Iterable[str],
    *,
    kind: str,
    where: str | None = None,
    error: type[InputError] = InputError,
) -> str:
    """Return the full name that a person means.

    Args:
        name: One of the known names, or a prefix that only one of them has.
        known: All names.
        kind: What they name, such as `runbook`.
        where: The option or file concerned, for the message.
        error: What to raise.

    Raises:
        InputError: No known name begins so, or several do. The hint names the closest one, and all of them.

    >>> complete_name("20", ["10_kernel", "20_docker"], kind="runbook")
    '20_docker'
    """
    names = [*known]
    if name in names:
        return name
    found = [other for other in names if name and other.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise error(
            f"{len(found)} {kind}s begin with {name!r}",
            where=where,
            hint=f"type more of the name, one of: {', '.join(found[:_SHOWN])}{more}",
        )
    raise unknown_name(name, names, kind=kind, where=where, error=error)


def unknown_name(
    name: str,
    known: Iterable[str],
    *,
    kind: str,
    where: str | None = None,
    error: type[InputError] = InputError,
) -> InputError:
    """Return the error that says that a name is unknown, and which one was probably meant.

    Args:
        name: As it was given.
        known: All names.
        kind: What they name, such as `runbook`.
        where: The option or file concerned.
        error: Its class.
    """
    names = [*known]
    return error(
        f"unknown {kind} {name!r}",
        where=where,
        hint=f"{did_you_mean(name, names)}known {kind}s: {', '.join(names) or 'none'}",
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question with the known name that is closest to a mistyped one; empty if none is close.

    Args:
        name: As it was typed.
        known: All names.

    >>> did_you_mean("host-q", ["host-a", "cloud"])
    'did you mean host-a? '
    """
    found = closest_name(name, known)
    return f"did you mean {found}? " if found else ""


def closest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is closest to a mistyped one; empty if none is close.

    Args:
        name: As it was typed.
        known: All names.

    >>> closest_name("mirors", ["hosts", "registry_mirrors"])
    'registry_mirrors'
    """
    wanted, names = name.lower(), {other.lower(): other for other in known}
    for lower, other in names.items():
        if len(wanted) >= _PART and wanted in lower:
            return other
    # A short word is close to a long name's beginning, or to a word of it, not to the whole name.
    starts = {lower[: len(wanted)]: other for lower, other in reversed(names.items())}
    words = {word: other for lower, other in reversed(names.items()) for word in re.split(r"\W|_", lower)}
    for spelling in (names, starts, words):
        near = difflib.get_close_matches(wanted, spelling, n=1)
        if near:
            return spelling[near[0]]
    return ""
