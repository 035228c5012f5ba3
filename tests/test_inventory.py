"""An inventory says how hosts are reached; every mistake in it is reported before any host is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InventoryError
from runbook_lib.inventory import Inventory

if TYPE_CHECKING:
    from pathlib import Path

SOUND = """\
hosts:
  web-1: {address: 10.0.0.1, user: ops, port: 2222, variables: {zone: a, deep: {list: [1]}}}
  web-2: {address: 10.0.0.2}
  db:
    connection: local
    sudo_password: ${env:SUDO}
groups:
  web: [web-1, web-2]
  all-of-it: [web-1, web-2, db]
  nobody: []
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return load(tmp_path, SOUND)


def load(place: Path, text: str) -> Inventory:
    path = place / "inventory.yml"
    path.write_text(text, encoding="utf-8")
    return Inventory.load(path)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("all", "web-1 web-2 db"),
        ("db", "db"),
        ("db,web-1", "web-1 db"),
        (" db : web-1 ", "web-1 db"),
        ("web", "web-1 web-2"),
        ("web-*", "web-1 web-2"),
        ("web-[2-9]", "web-2"),
        ("all,!db", "web-1 web-2"),
        ("all,!web", "db"),
        ("web,!web-2,db", "web-1 db"),
        ("all,!web-*", "db"),
        ("!db,all", "web-1 web-2"),
        ("!web-1,web", "web-2"),
        ("!web:db:all", "db"),
        ("all,!web,web-1", "db"),
        ("web,,", "web-1 web-2"),
        ("web-1,web,web-1", "web-1 web-2"),
    ],
)
def test_a_pattern_selects_hosts_in_the_files_order(inventory: Inventory, pattern: str, names: str) -> None:
    assert [host.name for host in inventory.select(pattern)] == names.split()


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("web-3", "unknown host or group 'web-3'"),
        ("web,dbb", "unknown host or group 'dbb'"),
        ("all,!dbb", "unknown host or group 'dbb'"),
        ("zz*", "unknown host or group 'zz*'"),
        ("", "selects no host"),
        (" , ", "selects no host"),
        ("!db", "selects no host"),
        ("web,!web", "selects no host"),
        ("nobody", "selects no host"),
    ],
)
def test_a_pattern_that_selects_nothing_is_refused_with_the_known_names(
    inventory: Inventory, pattern: str, why: str
) -> None:
    with pytest.raises(InventoryError) as refused:
        inventory.select(pattern)
    assert why in refused.value.message
    question, known, names = str(refused.value.hint).partition("known hosts: ")
    assert known + names == "known hosts: web-1, web-2, db; known groups: web, all-of-it, nobody"
    close = {"web-3": "web-2", "dbb": "db"}
    assert question == next((f"did you mean {close[name]}? " for name in close if name in why), "")


def test_a_host_is_reached_as_its_line_says_or_by_its_name(inventory: Inventory) -> None:
    web, db = inventory.hosts["web-1"], inventory.hosts["db"]
    assert (web.target, web.port, web.user, web.connection) == ("10.0.0.1", 2222, "ops", "ssh")
    assert (db.target, db.port, db.connection) == ("db", 22, "local")


def test_a_variable_is_the_hosts_own_and_a_missing_one_is_refused(inventory: Inventory) -> None:
    assert inventory.hosts["web-1"]["zone"] == "a"
    with pytest.raises(InventoryError, match="has no variable 'zone'") as refused:
        inventory.hosts["web-2"]["zone"]
    assert refused.value.where == "web-2"
    assert "variables:" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("hosts:\n  a: {adress: 10.0.0.1}\n", "line 2, host 'a'", "unknown name 'adress' (did you mean 'address'?)"),
        ("hosts:\n  a: {port: '22'}\n", "line 2, host 'a'", "'port': Input should be a valid integer"),
        ("hosts:\n  a: {port: 70000}\n", "host 'a'", "less than or equal to 65535"),
        ("hosts:\n  a: {connection: telnet}\n", "host 'a'", "known connections: ssh, local"),
        ("hosts:\n  a: {kind: toaster}\n", "host 'a'", "'machine', 'container' or 'vm'"),
        ("hosts:\n  a: {sudo_password: hunter2}\n", "host 'a'", "must be a reference"),
        ('hosts:\n  a: {address: "10.0.0.1\\0"}\n', "host 'a'", "'address': must not contain control characters"),
        ('hosts:\n  a: {identity_file: "k\\n"}\n', "host 'a'", "'identity_file': must not contain control"),
        ("hosts:\n  a: {address: 10.0.0.1 10.0.0.2}\n", "host 'a'", "'address': must not contain blanks"),
        ("hosts:\n  a: {connect_timeout: .inf}\n", "host 'a'", "'connect_timeout': Input should be a finite number"),
        ("hosts:\n  a: {name: b, connect_timeout: 0}\n", "host 'a'", "greater than 0"),
        ("hosts:\n  'a b': {}\n", "host 'a b'", "should match pattern"),
        ("hosts:\n  -oProxyCommand=evil: {}\n", "host '-oProxyCommand=evil'", "should match pattern"),
        ("hosts:\n  a: []\n", "inventory.yml", "line 2: 'hosts.a': Input should be a valid dictionary"),
        ("hosts: []\n", "inventory.yml", "line 1: 'hosts': Input should be a valid dictionary"),
        ("groups: {}\n", "inventory.yml", "'hosts' is missing"),
        ("", "inventory.yml", "'hosts' is missing"),
        ("host:\n  a: {}\n", "inventory.yml", "unknown name 'host' (did you mean 'hosts'?)"),
        ("hosts:\n  a: {}\ngroups:\n  g: [a, b]\n", "line 4", "group 'g' contains an unknown host, 'b'"),
        ("hosts:\n  a: {}\ngroups:\n  g:\n    - a\n    - b\n", "line 6", "an unknown host, 'b'"),
        ("hosts:\n  a: {}\ngroups:\n  g:\n    hosts:\n    - a\n    - b\n", "line 7", "an unknown host, 'b'"),
        ("hosts:\n  a: {}\ngroups:\n  g: a\n", "inventory.yml", "line 4: 'groups.g': Input should be a valid list"),
        ("hosts:\n  a: {}\n  a: {}\n", "line 3", "duplicate key 'a'"),
        ("hosts:\n  a: {}\n  'a': {}\n", "line 3", "duplicate key 'a'"),
        ("hosts:\n  web: {}\n  Web: {}\n", "line 3", "host 'Web' has the name of host 'web' (line 2)"),
        ("hosts:\n  web: {}\ngroups:\n  web: [web]\n", "line 4", "group 'web' has the name of host 'web' (line 2)"),
        ("hosts:\n  a: {}\ngroups:\n  g: [a]\n  G: [a]\n", "line 5", "group 'G' has the name of group 'g'"),
        ("hosts:\n  a: {}\ngroups:\n  g: [a]\n  g: [a]\n", "line 5", "duplicate key 'g'"),
        ("hosts:\n  all: {}\n", "line 2", "host 'all' cannot have this name"),
        ("hosts:\n  a: {}\ngroups:\n  All: [a]\n", "line 4", "group 'All' cannot have this name"),
        ("hosts:\n  a:\n  b: {}\n", "inventory.yml", "line 2: 'hosts.a' is empty: write {} for none"),
        ("hosts:\n  a: {}\ngroups:\n  web:\n", "inventory.yml", "line 4: 'groups.web' is empty: write []"),
        ("hosts:\n  no: {}\n", "inventory.yml", "line 1: 'hosts' has a name that YAML reads as False: write"),
        ("hosts:\n  10: {}\n", "inventory.yml", "line 1: 'hosts' has a name that YAML reads as 10: write it in quotes"),
        ("hosts:\n  a: {}\ngroups:\n  on: [a]\n", "inventory.yml", "line 3: 'groups' has a name that YAML"),
        ("hosts:\n  a: {}\ngroups:\n  'a,b': [a]\n", "line 4", "group 'a,b' could not be selected"),
        ("hosts:\n  a: {}\ngroups:\n  '!web': [a]\n", "line 4", "group '!web' could not be selected"),
        ("hosts: {}\n", "inventory.yml", "has no hosts"),
        ("hosts:\n  a: {port: 0}\n", "host 'a'", "greater than or equal to 1"),
        ("hosts:\n  a: {port: -1}\n", "host 'a'", "greater than or equal to 1"),
        ("hosts:\n  a: {port: 65536}\n", "host 'a'", "less than or equal to 65535"),
        ("hosts:\n  a: {port: 22.0}\n", "host 'a'", "valid integer"),
        ("hosts:\n  a: {port: true}\n", "host 'a'", "valid integer"),
        ("hosts:\n  a: {connect_timeout: .inf}\n", "host 'a'", "finite number"),
        ("hosts:\n  a: {connect_timeout: .nan}\n", "host 'a'", "finite number"),
        ("hosts:\n  a: {address: -oProxyCommand=x}\n", "host 'a'", "'address': must be one word"),
        ("hosts:\n  a: {address: 'x; reboot'}\n", "host 'a'", "'address': must not contain blanks"),
        ("hosts:\n  a: {address: ''}\n", "host 'a'", "'address': must be one word"),
        ("hosts:\n  a: {user: '-x'}\n", "host 'a'", "'user': must be one word"),
        ("hosts:\n  a: {user: 'a`id`'}\n", "host 'a'", "'user': must be one word"),
        ("hosts:\n\ta: {}\n", "line 2", "malformed YAML"),
        ("groups: {}\nhost: {}\n", "inventory.yml", "did you mean 'hosts'?"),
        ("hosts:\n  a: {identity_fil: x}\n", "host 'a'", "did you mean 'identity_file'?"),
    ],
)  # fmt: skip
def test_an_inventory_that_is_wrong_is_refused_with_its_place(
    text: str, where: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(InventoryError) as refused:
        load(tmp_path, text)
    assert why in refused.value.message
    assert str(refused.value.where).startswith(str(tmp_path / "inventory.yml"))
    assert where in str(refused.value.where)
    assert refused.value.exit_code == 2


def test_what_openssh_accepts_as_address_and_user_is_accepted(tmp_path: Path) -> None:
    text = "hosts:\n  a: {address: 'fe80::1%eth0', user: 'CORP\\ops'}\n  b: {address: a_b.example., user: o.p-s}\n"
    assert load(tmp_path, text).hosts["a"].user == "CORP\\ops"


def test_hosts_may_share_values_by_aliases(tmp_path: Path) -> None:
    found = load(tmp_path, "hosts:\n  a: &base {user: ops}\n  b: *base\n  c: {<<: *base, port: 23}\n")
    assert [(host.user, host.port) for host in found.hosts.values()] == [
        ("ops", 22),
        ("ops", 22),
        ("ops", 23),
    ]


def test_a_literal_sudo_password_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as refused:
        load(tmp_path, "hosts:\n  a: {sudo_password: hunter2}\n")
    assert "hunter2" not in str(refused.value)


def test_a_missing_inventory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no such file"):
        Inventory.load(tmp_path / "missing.yml")
