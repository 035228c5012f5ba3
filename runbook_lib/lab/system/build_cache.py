"""The build cache: what is built once and kept, each in a directory named by a hash of its recipe."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import RUN, cache_directory, locked
from runbook_lib.lab.system.stages import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["built_once", "recipe_hash", "remove_abandoned_builds"]

_log = logging.getLogger(__name__)
_GROUP = "_build-"  # no lab can have this name
_MARK = re.compile(r"\.([0-9a-f]{16})\.building")


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change with any part of the recipe.

    Args:
        recipe: Values that JSON can hold.
    """
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def built_once(
    kind: str,
    recipe: Mapping[str, Any],
    build: Callable[[Path, Sequence[Path]], None],
    *,
    what: str,
    usually: float,
) -> Path:
    """Return a directory that `build` has filled, calling `build` only if the cache has none for this recipe.

    The directory gets its final name when it is complete. What a killed build left is removed by the next one.
    If two processes build the same recipe, one of them waits for the other.

    Args:
        kind: What is built, such as `rootfs`: the name of a directory in the cache.
        recipe: Everything the result depends on.
        build: Called with an empty directory to fill and the control groups its programs are to join.
        what: What is built, for the person who waits.
        usually: Seconds that it usually takes.

    Raises:
        InputError: The cache's directory cannot be written to.
        LabError: The build failed, or an earlier one cannot be ended.
    """
    home = cache_directory() / kind
    complete = home / recipe_hash(recipe)
    if complete.is_dir():
        return complete
    with locked(_lock(complete)):
        if complete.is_dir():
            return complete
        _log.info("building %s; this happens once", complete)
        _end_build(complete)
        draft = _draft(complete)
        _make_draft(complete)
        try:
            with stage(f"{what}, built once and kept", usually):
                build(draft, Cgroup(_GROUP + complete.name).create())
            draft.rename(complete)
        finally:
            _end_build(complete)
    return complete


def remove_abandoned_builds() -> None:
    """End the processes that killed builds left running, and remove their unfinished directories.

    `$RUNBOOK_CACHE` may be a directory in which others have files too: only what a build has marked is removed.
    """
    builds = {
        name.removeprefix(_GROUP): cache_directory() / name.removeprefix(_GROUP)
        for name in Cgroup.names(_GROUP)
    }
    for mark in cache_directory().glob("*/.*.building"):
        if found := _MARK.fullmatch(mark.name):
            builds[found[1]] = mark.parent / found[1]
    for complete in builds.values():
        try:
            with locked(_lock(complete), wait=False):
                _end_build(complete)
        except LabError:
            _log.debug("%s is being built", complete)


def _make_draft(complete: Path) -> None:
    """Make the directory to fill; its mark is made before it, and removed after it."""
    draft = _draft(complete)
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        _mark(complete).touch()
        shutil.rmtree(draft, ignore_errors=True)  # of an earlier version, which made no mark
        draft.mkdir()
    except OSError as problem:
        raise InputError(
            f"the build cache cannot be written: {problem.strerror}",
            where=str(problem.filename or draft),
            hint="set RUNBOOK_CACHE to a directory that this user may write to",
        ) from problem


def _end_build(complete: Path) -> None:
    """End the build of `complete`; the caller holds its lock."""
    group = Cgroup(_GROUP + complete.name)
    group.kill()
    group.remove()
    if _mark(complete).exists():
        shutil.rmtree(_draft(complete), ignore_errors=True)
        if not _draft(complete).exists():
            _mark(complete).unlink()


def _draft(complete: Path) -> Path:
    return complete.with_name(f".{complete.name}")


def _mark(complete: Path) -> Path:
    return complete.with_name(f".{complete.name}.building")


def _lock(complete: Path) -> Path:
    return RUN / f"_build-{complete.name}.lock"
