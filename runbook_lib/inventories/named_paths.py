"""Where the files are that an inventory names by relative paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runbook_lib.project import expanded, find_upwards

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["with_whole_paths"]

_FILES = ("identity_file", "known_hosts")


def with_whole_paths(settings: Mapping[str, Any], inventory: str) -> dict[str, Any]:
    """Return a host's settings with its relative paths made absolute, so that they mean the same in any directory.

    A file is looked for in the inventory's directory, then in the current directory and those above it, where
    inventories named files from before the first of these counted. One that is nowhere is expected in the first.

    Args:
        settings: As the inventory has them, not validated yet.
        inventory: The inventory: a file, or a directory of Ansible's.
    """
    relative = {
        name: value
        for name in _FILES
        if isinstance(value := settings.get(name), str) and value and not value.startswith(("/", "~"))
    }
    if not relative:
        return {**settings}
    place = expanded(inventory).absolute()
    folder = place if os.path.isdir(place) else place.parent  # noqa: PTH112 - never raises
    return {**settings, **{name: str(_found(value, folder)) for name, value in relative.items()}}


def _found(path: str, folder: Path) -> Path:
    own, elsewhere = folder / path, find_upwards(path).absolute()
    only_elsewhere = os.path.exists(elsewhere) and not os.path.exists(own)  # noqa: PTH110 - as above
    return elsewhere if only_elsewhere else own
