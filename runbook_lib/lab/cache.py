"""Things built once and kept: each under a directory named by a hash of its recipe."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from runbook_lib.lab.places import cache_directory, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["built_once", "recipe_hash"]

_log = logging.getLogger(__name__)


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change with anything in the recipe."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def built_once(kind: str, recipe: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """Return a directory that `build` has filled, building it only when there is none for this recipe.

    It appears under its name only when complete. What a killed build left is removed by the next one;
    of two builders at once, one builds and the other waits.

    Args:
        kind: Such as `rootfs`; a directory of the cache.
        recipe: Everything the result depends on.
        build: Fills the empty directory it is given.
    """
    home = cache_directory() / kind
    complete = home / recipe_hash(recipe)
    if complete.is_dir():
        return complete
    with locked(home / f"{complete.name}.lock"):
        if complete.is_dir():
            return complete
        for abandoned in home.glob(f".{complete.name}.*"):
            shutil.rmtree(abandoned)
        _log.info("building %s; this happens once", complete)
        draft = tempfile.mkdtemp(prefix=f".{complete.name}.", dir=home)
        try:
            build(home / draft)
            (home / draft).chmod(0o755)
            (home / draft).rename(complete)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return complete
