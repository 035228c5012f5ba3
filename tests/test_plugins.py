"""Entry points of other packages are found next to the built-in ones, and mistakes in them are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError
from runbook_lib.plugins import find_plugins, load_class
from tests.entry_points import write_package

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "runbook_lib.test_group"
BUILT_IN = {"int": "builtins:int"}


def test_a_built_in_class_needs_no_installed_metadata() -> None:
    assert load_class(find_plugins(GROUP, BUILT_IN)["int"], int) is int


def test_an_entry_point_of_another_package_is_found_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "class Small(int):\n    pass\n"
    write_package(tmp_path, "plugin_small", source, {GROUP: {"small": "plugin_small:Small"}})
    monkeypatch.syspath_prepend(tmp_path)
    known = find_plugins(GROUP, BUILT_IN)
    assert list(known) == ["int", "small"]
    assert load_class(known["small"], int).__name__ == "Small"


def test_two_packages_with_the_same_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path, "plugin_twice", "", {GROUP: {"int": "plugin_twice:Int"}})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"two packages provide 'int': builtins:int and plugin_twice:Int"):
        find_plugins(GROUP, BUILT_IN)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("no_such_module:Kind", r"cannot load no_such_module:Kind: No module named 'no_such_module'"),
        ("builtins:Missing", r"cannot load builtins:Missing: .*Missing"),
        ("builtins:str", r"builtins:str is not a class derived from builtins.int"),
        ("builtins:len", r"builtins:len is not a class derived from builtins.int"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_named(value: str, complaint: str) -> None:
    entry = find_plugins(GROUP, {"broken": value})["broken"]
    with pytest.raises(InputError, match=complaint) as caught:
        load_class(entry, int)
    assert caught.value.where == f"entry point 'broken' of {GROUP}"
