"""Which fields of a plan, and of what surrounds it, are lists of commands."""

from __future__ import annotations

from typing import get_type_hints

from runbook_lib.model.commands import Command

__all__ = ["command_lists"]


def command_lists(part: type) -> list[str]:
    """Return the names of those fields of `Plan`, `NetworkGuard` or `Reboot`."""
    return [name for name, kind in get_type_hints(part).items() if kind == tuple[Command, ...]]
