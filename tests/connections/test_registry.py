"""Connections are found by the name that the inventory gives, also those of other packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runbook_lib import Runbook
from runbook_lib.connections.local import LocalConnection
from runbook_lib.connections.registry import BUILT_IN, GROUP, connection_class, reads_ssh_files
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import InputError, InventoryError
from runbook_lib.host_settings import Host
from runbook_lib.inventory import Inventory
from runbook_lib.model.status import Status
from tests.entry_points import write_package
from tests.runbook.practice import Does, parameters

TOP = Path(__file__).parents[2]
BYTES = 'test "$(printf %s "$1" | od -An -tx1)" = " 63 e9"'

MARKED = '''
from runbook_lib.connections.local import LocalConnection


class MarkedConnection(LocalConnection):
    """Runs commands on this machine, and shows in their text that it did."""

    def render(self, command):
        return f"env SENT_OVER=plugin {super().render(command)}"
'''


def inventory(place: Path, connection: str) -> Path:
    path = place / "inventory.yml"
    path.write_text(f"hosts:\n  host-a:\n    connection: {connection}\n", encoding="utf-8")
    return path


def test_built_in_connections_are_declared_as_entry_points() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN
    assert connection_class("ssh") is SshConnection
    assert connection_class("local") is LocalConnection


def test_a_connection_of_another_package_carries_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = {GROUP: {"marked": "plugin_marked:MarkedConnection"}}
    write_package(tmp_path, "plugin_marked", MARKED, entry_points)
    monkeypatch.syspath_prepend(tmp_path)
    inventory(tmp_path, "marked")
    book = Runbook.open(parameters(tmp_path))
    book.step("Do", Does(("sh", "-c", 'test "$SENT_OVER" = plugin')))
    book.step("Not UTF-8", Does(("sh", "-c", BYTES, "sh", "c\udce9")))
    book.close()
    for step in book.record.steps:
        (host,) = step.hosts
        assert host.status is Status.CHANGED
        assert [command.text.split()[:2] for command in host.commands] == [["env", "SENT_OVER=plugin"]]


def test_names_of_one_machine_are_recognized_by_their_kind_of_connection() -> None:
    ssh, local = connection_class("ssh"), connection_class("local")
    first, second = Host(name="host-a", address="192.0.2.1"), Host(name="host-b", address="192.0.2.1")
    elsewhere = Host(name="host-c", address="192.0.2.1", port=2222)
    assert ssh.machine(first) == ssh.machine(second) != ssh.machine(elsewhere)
    assert local.machine(first) == local.machine(elsewhere) != ssh.machine(first)
    switch, again, other = (
        Host(name=f"host-{n}", connection="local", acts_on=acts_on)
        for n, acts_on in enumerate(("switch-1", "switch-1", "switch-2"))
    )
    assert local.machine(switch) == ssh.machine(again) != local.machine(other) != local.machine(first)


def test_a_kind_of_connection_that_another_one_is_derived_from_says_where_its_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path, "plugin_near", MARKED, {GROUP: {"near": "plugin_near:MarkedConnection"}})
    monkeypatch.syspath_prepend(tmp_path)
    host = Host(name="host-a", connection="near")
    assert connection_class("near").machine(host) == connection_class("local").machine(host)


def test_an_unknown_connection_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = inventory(tmp_path, "telnet")
    with pytest.raises(
        InventoryError, match="unknown connection 'telnet'; known connections: ssh, local"
    ) as refused:
        Inventory.load(path)
    assert refused.value.where == f"{path}, line 2, host 'host-a'"


def test_a_connection_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = {GROUP: {"broken": "plugin_broken:Missing"}}
    write_package(tmp_path, "plugin_broken", "", entry_points)
    monkeypatch.syspath_prepend(tmp_path)
    inventory(tmp_path, "broken")
    with pytest.raises(InputError, match="cannot load plugin_broken:Missing"):
        Runbook.open(parameters(tmp_path))


def test_local_hosts_need_no_ssh_library() -> None:
    code = (
        "import sys; from runbook_lib.connections.registry import connection_class; connection_class('local'); "
        "import runbook_lib.runbook.runbook; "
        "sys.exit('paramiko' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_which_kinds_need_keys_is_known_without_loading_them(kind: str) -> None:
    assert reads_ssh_files(kind) is connection_class(kind).reads_ssh_files
