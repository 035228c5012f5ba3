"""The hosts of an ssh_config as an inventory."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InventoryError
from runbook_lib.inventory import Inventory
from tests.connections.test_ssh_config import home
from tests.inventories.inventory_files import JUMP, write

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["home"]

SSH_CONFIG = """\
# mine
Include {place}/more
Host web-1 web-2 *.example !x
  HostName 10.0.0.1
  Port 2222
  User ops
  IdentityFile {place}/key
  UserKnownHostsFile {place}/known
Host=db
  ProxyJump a@gate,b@inner:2200
Match host nothing
Host *
  Compression yes
"""


def test_the_names_of_an_ssh_config_are_hosts_as_openssh_reaches_them(tmp_path: Path) -> None:
    write(tmp_path / "more", "Host 'third'\n  ProxyCommand nc %h %p\n")
    write(tmp_path / "key", "x")
    write(tmp_path / "known", "")
    path = write(tmp_path / "hosts.conf", SSH_CONFIG.format(place=tmp_path))
    for name in (str(path), f"ssh_config:{path}"):
        inventory = Inventory.load(name)
        assert [*inventory.hosts] == ["third", "web-1", "web-2", "db"]
        web = inventory.hosts["web-1"]
        assert (web.target, web.port, web.user) == ("10.0.0.1", 2222, "ops")
        assert (web.identity_file, web.known_hosts) == (f"{tmp_path}/key", f"{tmp_path}/known")
        jump = f"{JUMP} -F {path}"
        first = shlex.quote(f"{jump} -W '[%%h]:%%p' ssh://a@gate")
        assert inventory.hosts["db"].proxy_command == (
            f"{jump} -o ProxyCommand={first} -W '[%h]:%p' ssh://b@inner:2200"
        )
        assert inventory.hosts["third"].proxy_command == "nc %h %p"
        assert inventory.kind == "ssh_config"


@pytest.mark.parametrize(
    "text", ["UserKnownHostsFile ~/.ssh/lab_hosts", "GlobalKnownHostsFile ~/.ssh/lab_hosts"]
)
def test_the_known_hosts_that_an_ssh_config_names_are_kept(home: Path, tmp_path: Path, text: str) -> None:
    """A host's key would be verified by another file otherwise, also if the one that is named does not exist."""
    path = write(tmp_path / "hosts.conf", f"Host web-1\n  {text}\n")
    assert Inventory.load(path).hosts["web-1"].known_hosts == str(home / ".ssh" / "lab_hosts")


@pytest.mark.usefixtures("home")
def test_the_usual_known_hosts_are_not_named_and_several_are_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "hosts.conf", "Host web-1\n  UserKnownHostsFile ~/.ssh/known_hosts ~/.ssh/known_hosts2\n"
    )
    assert Inventory.load(path).hosts["web-1"].known_hosts is None
    write(path, "Host web-1\n  UserKnownHostsFile /one /two\n")
    with pytest.raises(InventoryError, match="known_hosts can be one file, not several: /one, /two"):
        Inventory.load(path)


@pytest.mark.parametrize("name", ["a[1]", "b*c", "d?e", 'q"q', "back\\slash"])
def test_an_ssh_config_in_a_folder_that_openssh_would_not_find_is_refused(tmp_path: Path, name: str) -> None:
    """Without a word, its hosts would be reached by their names, at whatever machine those lead to."""
    path = write(tmp_path / name / "hosts", "Host web\n  HostName 192.0.2.7\n")
    with pytest.raises(InventoryError, match=r"OpenSSH takes . in .* for a part of a pattern") as refused:
        Inventory.load(f"ssh_config:{path}")
    assert "rename the folder or the file" in str(refused.value.hint)


@pytest.mark.parametrize("pattern", ["/", '""', "**x", "a**", "/etc/**b/none", ".", "[", "a\0b"])
def test_any_include_of_an_ssh_config_is_read_or_refused_in_words(tmp_path: Path, pattern: str) -> None:
    path = write(tmp_path / "hosts", f"Host web\nInclude {pattern}\n")
    with contextlib.suppress(InventoryError):
        assert list(Inventory.load(f"ssh_config:{path}").hosts) == ["web"]
