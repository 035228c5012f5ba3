"""Where a lab's inventory cannot be written is found before anything is started; a damaged file stops nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.inventory_file import check_inventory_path, remove_inventory, write_inventory
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.lab.system.subprocesses import run
from runbook_lib.lab.topology import Control, Topology

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Topology(Control(vlan=101, address="192.168.7.254/20"), {}, {})
BELOW_A_FILE = ("file/inventory.yml", "file/params/inventory.yml")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with one thing of each kind in it."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("hosts: {}\n", encoding="utf-8")
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("directory", "the path is a directory"),
        ("file", "was not written by the lab ours"),
        ("latin", "was not written by the lab ours"),
        ("pipe", "was not written by the lab ours"),
        *((path, "Not a directory") for path in BELOW_A_FILE),
        ("directory/" + "i" * 300, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_the_inventorys_is_refused(place: Path, path: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        check_inventory_path("ours", place / path)
    assert refused.value.where == str(place / path)
    assert sorted(file.name for file in place.iterdir()) == ["directory", "file", "latin", "pipe"]


@pytest.mark.parametrize("path", BELOW_A_FILE)
def test_an_inventory_that_cannot_be_written_in_the_end_is_named(place: Path, path: str) -> None:
    with pytest.raises(LabError, match="the inventory cannot be written") as failed:
        write_inventory(LabPaths("ours"), NOTHING, {}, place / path)
    assert failed.value.where == str(place / path)


def test_the_labs_own_inventory_may_be_written_again_and_is_removed(place: Path) -> None:
    inventory = place / "params" / "inventory.yml"
    for _ in range(2):
        check_inventory_path("ours", inventory)
        write_inventory(LabPaths("ours"), NOTHING, {}, inventory)
    with pytest.raises(InputError, match="was not written by the lab another"):
        check_inventory_path("another", inventory)
    remove_inventory("ours", inventory)
    assert not inventory.parent.exists()


@pytest.mark.parametrize("path", ["directory", "file", "latin", "pipe", "absent", *BELOW_A_FILE])
def test_what_is_not_the_labs_inventory_stays_when_the_lab_ends(place: Path, path: str) -> None:
    remove_inventory("ours", place / path)
    assert (place / path).exists() is (path in {"directory", "file", "latin", "pipe"})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "caf\xe9"}', b"\xff\xfe{\x00}\x00"])
def test_a_damaged_state_is_named_with_what_ends_the_lab(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(content)
    with pytest.raises(LabError, match="the lab's state cannot be read") as damaged:
        LabState.load(state)
    assert "runbook lab down" in str(damaged.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_an_inventory_that_cannot_be_removed_does_not_keep_the_lab(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = place / "params" / "inventory.yml"
    write_inventory(LabPaths("ours"), NOTHING, {}, inventory)
    run("mount", "--bind", "-o", "ro", inventory, inventory, what="make it a file that cannot be unlinked")
    try:
        remove_inventory("ours", inventory)
    finally:
        run("umount", inventory, what="undo that")
    assert "the inventory stays" in caplog.text
    assert inventory.exists()
