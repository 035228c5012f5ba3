"""A login that is refused says so, whatever the key, the number of keys and what else the host wants."""

from __future__ import annotations

import builtins
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import AuthenticationError, InventoryError, UnreachableError
from runbook_lib.host_settings import Host
from runbook_lib.secrets import Secrets
from tests.connections.hostile_ssh import running
from tests.connections.test_ssh_config import configure, home

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connections.sshd import Server

__all__ = ["home"]


def problem_of(host: Host) -> UnreachableError:
    connection = SshConnection(host, Secrets())
    try:
        with pytest.raises(UnreachableError) as refused:
            connection.open()
    finally:
        connection.close()
    return refused.value


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa", "rsa in PEM"])
def test_a_refused_key_of_any_type_is_a_refused_login(kind: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    options = ["-m", "PEM"] if "PEM" in kind else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind.split(maxsplit=1)[0], *options, "-N", "", "-f", str(key)], check=True
    )
    with running(tmp_path / "server", "refuses the key") as server:
        problem = problem_of(server.host(identity_file=str(key)))
    assert type(problem) is AuthenticationError
    assert "the host rejects the login of user 'root'" in problem.message


def test_more_keys_than_the_host_allows_are_a_refused_login(server: Server, home: Path) -> None:
    """OpenSSH ends the connection after six."""
    lines = []
    for number in range(8):
        key = home / f"key{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        lines.append(f"  IdentityFile {key}\n")
    configure(home, f"Host *\n{''.join(lines)}")
    problem = problem_of(server.host(identity_file=None))
    assert type(problem) is AuthenticationError, problem


def test_a_host_that_wants_an_answer_from_a_person_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ask(prompt: str = "") -> str:
        raise AssertionError(prompt)

    monkeypatch.setattr(builtins, "input", ask)
    with running(tmp_path, "asks for more than a key") as server:
        problem = problem_of(server.host())
    assert type(problem) is AuthenticationError
    assert "a key alone is not enough" in problem.message
    assert "AuthenticationMethods publickey" in str(problem.hint)
    assert "Dear user" not in capfd.readouterr().out


def test_a_host_that_breaks_the_rules_is_unreachable(tmp_path: Path) -> None:
    with running(tmp_path, "disconnects with a text that is not UTF-8") as server:
        assert "UnicodeDecodeError" in problem_of(server.host()).message


def test_the_bastion_is_named_that_does_not_forward(server: Server, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # and closed before it is used
    bastion = f"root@127.0.0.1:{server.port}"
    configure(
        home,
        f"Host inner\n  HostName 127.0.0.1\n  Port {port}\n  ProxyJump {bastion}\n"
        f"Host *\n  IdentityFile {server.host().identity_file}\n"
        f"  UserKnownHostsFile {server.host().known_hosts}\n",
    )
    problem = problem_of(Host(name="inner", user="root"))
    assert "the bastion does not connect to the host" in problem.message
    assert "AllowTcpForwarding" in str(problem.hint)


@pytest.mark.parametrize(
    ("address", "setting"),
    [("10.0.0.1:2222", "port"), ("[::1]", "port"), ("[::1]:22", "port"), ("root@10.0.0.1", "user")],
)
def test_user_and_port_are_not_part_of_the_address(address: str, setting: str) -> None:
    with pytest.raises(ValueError, match=f"as `{setting}`"):
        Host(name="web", address=address)
    for good in ("::1", "fe80::1%lo", "10.0.0.1", "web-1.example.org"):
        assert Host(name="web", address=good).address == good


def test_which_addresses_are_tried_and_from_which_is_what_ssh_config_says(server: Server, home: Path) -> None:
    configure(home, "Host *\n  AddressFamily inet6\n")
    problem = problem_of(server.host())
    assert "cannot connect" in problem.message
    configure(home, "Host *\n  BindAddress 192.0.2.77\n")  # of no interface here
    assert "cannot connect" in problem_of(server.host()).message
    configure(home, "Host *\n  AddressFamily inet\n  BindAddress 127.0.0.9\n")
    connection = SshConnection(server.host(), Secrets())
    connection.open()
    connection.close()
    configure(home, "Host *\n  BindInterface lo\n")
    with pytest.raises(InventoryError, match="BindInterface is not supported"):
        SshConnection(server.host(), Secrets()).open()
