"""A parameter that must name one host is refused if it names several, by everything that reads parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml

from runbook_lib import Runbook
from runbook_lib.books.docker.parameters import (
    AmbassadorRedis,
    OverlayNames,
    PathLoad,
    PublishedPorts,
    RegistryS3,
    TwoVlans,
    ValidateChapter,
)
from runbook_lib.errors import InventoryError, ParameterError
from runbook_lib.host_settings import Host
from runbook_lib.inventory import Inventory
from runbook_lib.parameters import OneHost, Parameters
from runbook_lib.parameters.one_host import check_single_hosts, names_one_host
from runbook_lib.yaml_files import YamlFile
from tests.test_parameters import CHAPTER

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = {name: Host(name=name) for name in ("web-1", "web-2", "db")}
INVENTORY = Inventory(HOSTS, {"web": ["web-1", "web-2"], "store": ["db"]})


class One(Parameters):
    runbook: ClassVar[str] = "10_one"
    title: ClassVar[str] = "One"

    primary: OneHost = "db"
    others: str = "web"


def check(primary: str, *, hosts: str = "all", source: YamlFile | None = None) -> None:
    given = One.model_validate({"inventory": "i", "hosts": hosts, "primary": primary})
    chosen = INVENTORY.select(hosts)
    check_single_hosts(given.single_hosts, INVENTORY.select, chosen, where="my.yml", source=source)


@pytest.mark.parametrize(
    ("primary", "hosts"),
    [
        ("db", "all"),
        ("store", "all"),
        ("web-1", "all"),
        ("web-*,!web-2", "all"),
        ("web", "web-1,db"),  # the run has one of them only
        ("web", "db"),  # the check of the steps' hosts says so
        ("db,db", "all"),
    ],
)
def test_one_host_passes(primary: str, hosts: str) -> None:
    check(primary, hosts=hosts)


@pytest.mark.parametrize(
    ("primary", "several"),
    [
        ("web", "web-1, web-2"),
        ("web-1:db", "web-1, db"),
        ("all", "web-1, web-2, db"),
        ("*", "web-1, web-2, db"),
    ],
)
def test_several_hosts_are_refused_by_one_message(primary: str, several: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as refused:
        check(primary)
    assert refused.value.message == f"'primary': {primary!r} is more than one of this run's hosts: {several}"
    assert (refused.value.where, bool(refused.value.hint)) == ("my.yml", True)
    file = tmp_path / "my.yml"
    file.write_text(f"others: web\nprimary: {primary!r}\n", encoding="utf-8")
    with pytest.raises(ParameterError) as refused:
        check(primary, source=YamlFile(file, ParameterError))
    assert refused.value.where == "my.yml, line 2"


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(InventoryError, match="unknown host or group 'dbb'"):
        check("dbb")


def test_a_notebook_that_is_opened_by_hand_refuses_it_before_anything_is_written(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    hosts = {name: {"address": "192.0.2.1"} for name in HOSTS}
    inventory.write_text(
        yaml.safe_dump({"hosts": hosts, "groups": {"web": ["web-1", "web-2"]}}), encoding="utf-8"
    )
    given: dict[str, Any] = {"inventory": str(inventory), "hosts": "all", "runs": str(tmp_path / "runs")}
    with pytest.raises(ParameterError, match="'primary': 'web' is more than one") as refused:
        Runbook.open(One.model_validate({**given, "primary": "web"}))
    assert refused.value.where == "parameters of 10_one"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (TwoVlans, {"both_vlans"}),
        (PublishedPorts, {"server", "client"}),
        (AmbassadorRedis, {"server"}),
        (OverlayNames, {"server"}),
        (PathLoad, {"server"}),
        (RegistryS3, {"server"}),
        (ValidateChapter, {"server", "both_vlans"}),
    ],
)
def test_each_parameter_of_the_book_with_an_address_of_its_own_is_of_that_type(
    model: type[Parameters], names: set[str]
) -> None:
    assert set(names_one_host(model)) == names


def test_the_host_in_both_vlans_counts_only_where_they_are_validated() -> None:
    given = {name: value for name, value in CHAPTER.items() if name in ValidateChapter.model_fields}
    for also in ([], ["35_two_vlans"]):
        chapter = ValidateChapter.collect({**given, "mode": "validate", "also_validate": also})
        assert ("both_vlans" in dict(chapter.single_hosts)) == bool(also)
