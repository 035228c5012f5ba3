"""The build cache removes only what its own builds have begun: RUNBOOK_CACHE may be a directory with others' files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.system.build_cache import built_once, recipe_hash, remove_abandoned_builds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECIPE = {"of": "tests.lab.test_build_cache"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(directory: Path, _: Sequence[Path]) -> None:
    (directory / "result").touch()


def built() -> Path:
    return built_once("rootfs", RECIPE, build, what="a test", usually=1)


def test_hidden_directories_of_others_stay(cache: Path) -> None:
    for name in (".git", ".venv", f".{recipe_hash(RECIPE)}", ".notes.building"):
        (cache / "project" / name).mkdir(parents=True)
    remove_abandoned_builds()
    assert len([*(cache / "project").iterdir()]) == 4


def test_what_a_killed_build_has_left_is_removed(cache: Path) -> None:
    draft = cache / "rootfs" / f".{recipe_hash(RECIPE)}"
    (draft / "root").mkdir(parents=True)
    draft.with_name(f"{draft.name}.building").touch()
    remove_abandoned_builds()
    assert not [*(cache / "rootfs").iterdir()]


def test_an_unfinished_directory_of_an_earlier_version_is_built_again(cache: Path) -> None:
    (cache / "rootfs" / f".{recipe_hash(RECIPE)}" / "root").mkdir(parents=True)
    complete = built()
    assert [path.name for path in complete.iterdir()] == ["result"]
    assert [*(cache / "rootfs").iterdir()] == [complete]


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    def fail(directory: Path, _: Sequence[Path]) -> None:
        (directory / "half").touch()
        raise LabError("no luck")

    with pytest.raises(LabError, match="no luck"):
        built_once("rootfs", RECIPE, fail, what="a test", usually=1)
    assert not [*(cache / "rootfs").iterdir()]


def test_a_cache_that_cannot_be_made_is_named(cache: Path) -> None:
    cache.touch()
    with pytest.raises(InputError, match="the build cache cannot be written: Not a directory") as refused:
        built()
    assert "RUNBOOK_CACHE" in str(refused.value)
