"""A relative path in an inventory means the same in whatever directory the run is started."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.host_inputs import check_host_inputs
from runbook_lib.errors import InventoryError
from runbook_lib.inventory import Inventory
from tests.inventories.inventory_files import write

if TYPE_CHECKING:
    from pathlib import Path

OURS = "hosts: {web: {identity_file: keys/id, known_hosts: ../hosts.keys}}\n"


def files(inventory: Inventory) -> tuple[str, str]:
    host = inventory.hosts["web"]
    return os.path.normpath(host.identity_file or ""), os.path.normpath(host.known_hosts or "")


@pytest.mark.parametrize("started_in", [".", "params", "notebooks", "elsewhere"])
def test_the_inventorys_directory_counts_wherever_a_run_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_in: str
) -> None:
    for place in ("params", "notebooks", "elsewhere/keys"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "elsewhere" / "keys" / "id").touch()
    write(tmp_path / "params" / "keys" / "id", "")
    path = write(tmp_path / "params" / "inventory.yml", OURS)
    monkeypatch.chdir(tmp_path / started_in)
    expected = (str(tmp_path / "params" / "keys" / "id"), str(tmp_path / "hosts.keys"))
    assert files(Inventory.load(path)) == expected
    assert files(Inventory.load(os.path.relpath(path))) == expected


@pytest.mark.parametrize("started_in", [".", "notebooks"])
def test_a_path_from_the_projects_top_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_in: str
) -> None:
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "keys" / "id", "")
    path = write(tmp_path / "params" / "site" / "inventory.yml", OURS)
    monkeypatch.chdir(tmp_path / started_in)
    assert files(Inventory.load(path))[0] == str(tmp_path / "keys" / "id")
    write(path.parent / "keys" / "id", "")
    assert files(Inventory.load(path))[0] == str(path.parent / "keys" / "id")


def test_it_is_the_same_in_an_inventory_of_ansibles(tmp_path: Path) -> None:
    write(tmp_path / "id", "")
    given = {"ansible_ssh_private_key_file": "id", "ansible_ssh_common_args": "-o UserKnownHostsFile=keys"}
    printed = json.dumps({"_meta": {"hostvars": {"web": given}}})
    inventory = Inventory.load(write(tmp_path / "i.json", printed))
    assert files(inventory) == (str(tmp_path / "id"), str(tmp_path / "keys"))


@pytest.mark.parametrize("path", ["/etc/id", "~/.ssh/id", "~ops/id"])
def test_a_whole_path_stays_as_it_is_written(tmp_path: Path, path: str) -> None:
    text = f"hosts: {{web: {{identity_file: {path}}}}}\n"
    assert Inventory.load(write(tmp_path / "inventory.yml", text)).hosts["web"].identity_file == path


@pytest.mark.parametrize("path", ["7", "[a]", '"a\\0b"', "a" * 5000])
def test_what_is_no_path_is_left_to_the_checks_of_settings(tmp_path: Path, path: str) -> None:
    inventory = write(tmp_path / "inventory.yml", f"hosts: {{web: {{identity_file: {path}}}}}\n")
    with pytest.raises(InventoryError) as refused:
        check_host_inputs(Inventory.load(inventory).select("all"), inventory)
    assert "web" in str(refused.value.where)


def test_the_message_says_where_a_missing_key_was_expected(tmp_path: Path) -> None:
    path = write(tmp_path / "params" / "inventory.yml", OURS)
    with pytest.raises(InventoryError) as refused:
        check_host_inputs(Inventory.load(path).select("all"), path)
    assert f"identity_file {tmp_path}/params/keys/id does not exist" in refused.value.message
    assert "looked up in the inventory's directory" in str(refused.value.hint)
