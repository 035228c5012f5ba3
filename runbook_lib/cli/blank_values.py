"""Options whose value is empty, as that of a shell variable that is not set."""

from __future__ import annotations

import click

__all__ = ["refuse_blank"]


def refuse_blank(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Refuse a blank value: taken as none given, it would have other hosts or parameters used than were meant.

    Raises:
        BadParameter: It is blank.
    """
    if value is not None and not value.strip() and not context.resilient_parsing:
        raise click.BadParameter(
            "the value is empty (is a shell variable unset?); give a value, or leave the option out"
        )
    return value
