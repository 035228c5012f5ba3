"""Things built once and kept: each under a directory named by a hash of its recipe."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import LabError
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import RUN, cache_directory, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["built_once", "end_abandoned_builds", "recipe_hash"]

_log = logging.getLogger(__name__)
_GROUP = "_build-"  # no lab can have this name


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change with anything in the recipe."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def built_once(kind: str, recipe: Mapping[str, Any], build: Callable[[Path, Sequence[Path]], None]) -> Path:
    """Return a directory that `build` has filled, building it only when there is none for this recipe.

    It appears under its name only when complete. What a killed build left is removed by the next one;
    of two builders at once, one builds and the other waits.

    Args:
        kind: Such as `rootfs`; a directory of the cache.
        recipe: Everything the result depends on.
        build: Fills the empty directory it is given; its programs join the cgroups it is given.
    """
    home = cache_directory() / kind
    complete = home / recipe_hash(recipe)
    if complete.is_dir():
        return complete
    with locked(_lock(complete)):
        if complete.is_dir():
            return complete
        _log.info("building %s; this happens once", complete)
        _end(complete)
        draft = home / f".{complete.name}"
        draft.mkdir(parents=True)
        try:
            build(draft, Cgroup(_GROUP + complete.name).create())
            draft.rename(complete)
        finally:
            _end(complete)
    return complete


def end_abandoned_builds() -> None:
    """End what killed builds left behind: processes that go on, half-filled directories."""
    drafts = [draft.with_name(draft.name.removeprefix(".")) for draft in cache_directory().glob("*/.*")]
    elsewhere = [cache_directory() / name.removeprefix(_GROUP) for name in Cgroup.names(_GROUP)]
    for complete in {path.name: path for path in (*elsewhere, *drafts)}.values():
        try:
            with locked(_lock(complete), wait=False):
                _end(complete)
        except LabError:
            _log.debug("%s is being built", complete)


def _end(complete: Path) -> None:
    """End the build of `complete`, by whoever holds its lock."""
    group = Cgroup(_GROUP + complete.name)
    group.kill()
    group.remove()
    draft = complete.with_name(f".{complete.name}")
    shutil.rmtree(draft, ignore_errors=True)


def _lock(complete: Path) -> Path:
    return RUN / f"_build-{complete.name}.lock"
