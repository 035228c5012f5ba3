"""Functions of the library that take a path take text too, and refuse one that cannot even be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runbook_lib
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import InputError
from runbook_lib.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Callable

TAKES_A_PATH: dict[str, Callable[[str | Path], object]] = {
    "read_run": runbook_lib.read_run,
    "Policy.load": runbook_lib.Policy.load,
    "Archive": runbook_lib.Archive,
    "progress": runbook_lib.progress,
    "Inventory.load": Inventory.load,
    "trusted keys": lambda path: verify_run(Path(), trust=path),
    "several trusted keys": lambda path: verify_run(Path(), trust=[path]),
}


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "~no-such-user/x"])
@pytest.mark.parametrize("function", TAKES_A_PATH)
def test_a_name_that_no_file_can_have_is_bad_input(
    function: str, name: str, kind: Callable[[str], str | Path]
) -> None:
    with pytest.raises(InputError) as refused:
        TAKES_A_PATH[function](kind(name))
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("function", ["read_run", "Policy.load", "Archive", "Inventory.load", "trusted keys"])
def test_a_path_at_which_nothing_is_may_be_text(function: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such|there is no"):
        TAKES_A_PATH[function](str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "none"])
def test_a_path_that_is_found_nowhere_is_returned_as_it_is(name: str) -> None:
    assert runbook_lib.find_upwards(name) == Path(name)
