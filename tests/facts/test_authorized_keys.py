"""Where sshd finds the keys of an account: the fact's script, with the real sshd and configurations of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.ssh_keys import AccountKeys, AuthorizedKeys
from runbook_lib.model.commands import Output

if TYPE_CHECKING:
    from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="sshd is not installed")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC anna@new\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with an account's home, a key of the host, and programs that answer from there."""
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "home/.ssh/authorized_keys").write_text(KEY, encoding="utf-8")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "host_key")], check=True
    )
    program(tmp_path, "sshd", f'exec {SSHD} -f "{tmp_path}/sshd_config" "$@"')
    program(tmp_path, "getent", f'echo "anna:x:4711:4711::{tmp_path}/home:/bin/sh"')
    return tmp_path


def program(place: Path, name: str, script: str) -> None:
    path = place / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def read(place: Path, configuration: str = "") -> subprocess.CompletedProcess[str]:
    (place / "sshd_config").write_text(f"HostKey {place}/host_key\n{configuration}", encoding="utf-8")
    command = AuthorizedKeys("anna").request()
    argv = [word.replace("/etc/ssh/sshd_config", f"{place}/sshd_config") for word in command.argv]
    environment = {"PATH": f"{place}:{os.environ['PATH']}"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def keys(place: Path, configuration: str = "") -> AccountKeys:
    done = read(place, configuration)
    assert (done.returncode, done.stderr) == (0, "")
    return AuthorizedKeys("anna").parse(Output(0, done.stdout))


def test_the_keys_of_an_account_are_in_its_home(place: Path) -> None:
    found = keys(place)
    assert (found.path, found.text) == (f"{place}/home/.ssh/authorized_keys", KEY)
    assert (found.also, found.unread) == ((), ())


COMMAND = "AuthorizedKeysCommand /usr/bin/keys %u\nAuthorizedKeysCommandUser nobody\n"


@pytest.mark.parametrize(
    ("configuration", "unread"),
    [
        (COMMAND, "AuthorizedKeysCommand /usr/bin/keys %u"),
        (f"Match User anna\n{COMMAND}", "AuthorizedKeysCommand /usr/bin/keys %u"),
        (f"Match User bob\n{COMMAND}", ""),
        ("AuthorizedKeysCommand none\n", ""),
        ("Match address=10.0.0.0/8\n  authorizedkeysfile /keys/%u\n", "a Match block, line 3 of sshd_config"),
        (f"Match User anna LocalPort 2222\n{COMMAND}", "a Match block, line 3 of sshd_config"),
        (
            "Match Address 10.0.0.0/8\nX11Forwarding no\nMatch all\nAuthorizedKeysFile .ssh/authorized_keys\n",
            "",
        ),
        ("Include none.d/*\nInclude more.d/*.conf\n", "a Match block, line 2 of more.d/one.conf"),
    ],
)
def test_where_else_sshd_may_find_keys(place: Path, configuration: str, unread: str) -> None:
    (place / "more.d").mkdir()
    (place / "more.d/one.conf").write_text(
        "Match Host *.example.org\n\tAuthorizedKeysFile /keys/%u\n", encoding="utf-8"
    )
    configuration = configuration.replace("Include ", f"Include {place}/")
    found = [item.replace(f"{place}/", "") for item in keys(place, configuration).unread]
    assert found == ([unread] if unread else [])


def test_a_command_is_seen_where_no_file_is_read(place: Path) -> None:
    found = keys(place, f"AuthorizedKeysFile none\n{COMMAND}")
    assert (found.account, found.path, found.unread) == (
        True,
        "",
        ("AuthorizedKeysCommand /usr/bin/keys %u",),
    )


def test_every_place_that_the_configuration_names_is_read(place: Path) -> None:
    for name in ("4711", "anna", "empty"):
        (place / name).write_text("" if name == "empty" else KEY, encoding="utf-8")
    (place / "dangling").symlink_to("nowhere")
    names = " ".join(f"{place}/{name}" for name in ("missing/%u", "%U", "%u", "empty", "dangling"))
    found = keys(place, f"AuthorizedKeysFile {names}\n")
    assert (found.path, found.kind, found.directory) == (f"{place}/missing/anna", "", "")
    assert found.also == (f"{place}/4711", f"{place}/anna")


def test_a_file_that_root_cannot_look_at_is_not_absent(place: Path) -> None:
    """As in a home directory that is mounted from a server which takes root for nobody."""
    program(place, "stat", "echo \"stat: cannot statx 'x': Permission denied\" >&2; exit 1")
    done = read(place)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(("code", "expected"), [(2, 0), (1, 1)])
def test_an_account_is_absent_only_if_the_database_says_so(place: Path, code: int, expected: int) -> None:
    program(place, "getent", f"exit {code}")
    done = read(place)
    assert (done.returncode, done.stdout) == (expected, "no account\n" if expected == 0 else "")
