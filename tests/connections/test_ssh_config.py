"""The user's ssh_config: port, bastions and their host keys, and encrypted keys in ssh-agent."""

from __future__ import annotations

import getpass
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from benchmarks.ports import reserved_port
from runbook_lib import Runbook
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import AuthenticationError, HostKeyError, InventoryError, UnreachableError
from runbook_lib.host_settings import Host
from runbook_lib.inventories.ssh_arguments import jump_command
from runbook_lib.model.commands import Command
from runbook_lib.secrets import Secrets
from tests.connections import sshd
from tests.deadlines import deadline, wait_until
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.connections.sshd import Server

NEVER = threading.Event()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory with an empty ~/.ssh."""
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory, session_server: Server) -> Iterator[Server]:
    assert session_server.port
    with sshd.running(tmp_path_factory.mktemp("bastion")) as server:
        yield server


def configure(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text, encoding="ascii")


def echo(server: Server, **given: Any) -> str:  # noqa: ANN401 - any field of a host
    """Run a command on a host whose address and port only ssh_config knows."""
    fields = {"name": "web1", "known_hosts": str(server.known_hosts), "connect_timeout": deadline(5.0)}
    connection = SshConnection(Host.model_validate({**fields, **given}), Secrets())
    try:
        return connection.run(Command(("echo", "hello")), NEVER).stdout
    finally:
        connection.close()


def stanza(name: str, server: Server, more: str = "") -> str:
    return (
        f"Host {name}\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.client_key}\n{more}"
    )


def test_the_port_of_ssh_config_is_used_unless_the_inventory_names_one(server: Server, home: Path) -> None:
    configure(home, stanza("web1", server))
    assert echo(server) == "hello\n"
    with reserved_port() as port:
        with pytest.raises(UnreachableError, match="cannot connect"):
            echo(server, port=port)
        configure(home, f"Host web1\n  HostName 127.0.0.1\n  Port {port}\n")
        assert echo(server, port=server.port, identity_file=str(server.client_key)) == "hello\n"


def test_a_malformed_ssh_config_is_named(server: Server, home: Path) -> None:
    configure(home, "Host web1\n  Port many\n")
    with pytest.raises(InventoryError, match="ssh_config cannot be used"):
        echo(server)


def through(home: Path, server: Server, bastion: Server) -> None:
    configure(home, stanza("bastion", bastion) + stanza("web1", server, "  ProxyJump bastion\n"))


def knows_both(server: Server, bastion: Server) -> None:
    bastion.knows(bastion.place / "host")
    with server.known_hosts.open("a", encoding="ascii") as file:
        file.write(bastion.known_hosts.read_text(encoding="ascii"))


def test_a_bastion_is_verified_like_a_host_and_journaled(
    server: Server, bastion: Server, home: Path, tmp_path: Path
) -> None:
    through(home, server, bastion)
    knows_both(server, bastion)
    hosts = {"web1": {"known_hosts": str(server.known_hosts)}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"hosts": hosts}), encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    book.step("Do", Does(("true",)))
    book.close()
    lines = (book.directory / "journal.jsonl").read_bytes().splitlines()
    (entry,) = [one for one in map(json.loads, lines) if one["event"] == "connected"]
    assert (entry["address"], entry["port"]) == ("127.0.0.1", server.port)
    (named,) = entry["bastions"]
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(bastion.place / "host.pub")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"@127.0.0.1:{bastion.port} ssh-ed25519 {listed.stdout.split()[1]}" in named


def test_an_unknown_or_changed_bastion_is_refused(server: Server, bastion: Server, home: Path) -> None:
    through(home, server, bastion)
    with pytest.raises(HostKeyError, match="is unknown") as caught:
        echo(server)
    assert "bastion" in str(caught.value.where)
    bastion.knows(sshd.make_key(bastion.place / f"other-{time.monotonic_ns()}"))
    with server.known_hosts.open("a", encoding="ascii") as file:
        file.write(bastion.known_hosts.read_text(encoding="ascii"))
    with pytest.raises(HostKeyError, match="has changed") as caught:
        echo(server)
    assert "bastion" in str(caught.value.where)


def test_several_bastions_are_passed_in_their_order(server: Server, bastion: Server, home: Path) -> None:
    """The second is named by an address that only the first can know: here, both are one machine."""
    knows_both(server, bastion)
    second = stanza("second", server)
    configure(home, stanza("first", bastion) + second + stanza("web1", server, "  ProxyJump first,second\n"))
    assert echo(server) == "hello\n"
    fields = {"name": "web1", "known_hosts": str(server.known_hosts), "connect_timeout": deadline(5.0)}
    connection = SshConnection(Host.model_validate(fields), Secrets())
    connection.open()
    assert connection.established
    ports = [text.split()[0].rpartition(":")[2] for text in connection.established.bastions]
    assert ports == [str(bastion.port), str(server.port)]
    connection.close()


def test_bastions_that_refer_to_each_other_are_refused(server: Server, home: Path) -> None:
    configure(home, "Host a\n  ProxyJump web1\nHost web1\n  ProxyJump a\n")
    with pytest.raises(InventoryError, match="refer to each other"):
        echo(server)


def test_the_inventorys_proxy_command_comes_before_ssh_config(
    server: Server, bastion: Server, home: Path
) -> None:
    through(home, server, bastion)
    with pytest.raises(UnreachableError):
        echo(server, proxy_command="false")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    socket = str(tmp_path / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    wait_until(Path(socket).exists, "ssh-agent")
    yield socket
    process.terminate()
    process.wait(timeout=deadline(10))


def test_an_encrypted_key_is_taken_from_the_agent_or_the_message_says_what_is_the_matter(
    server: Server, home: Path, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = home / "locked"
    key.write_bytes(server.client_key.read_bytes())
    key.chmod(0o600)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "long passphrase", "-f", str(key)], check=True, capture_output=True
    )
    given = {"address": "127.0.0.1", "port": server.port, "identity_file": str(key)}
    with pytest.raises(AuthenticationError, match="is encrypted, and there is no ssh-agent"):
        echo(server, **given)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    with pytest.raises(AuthenticationError, match="is encrypted, and ssh-agent does not hold its key"):
        echo(server, **given)
    subprocess.run(["ssh-add", "-q", str(server.client_key)], check=True, capture_output=True)
    assert echo(server, **given) == "hello\n"


def banner_behind(jumps: str, config: Path, server: Server) -> str:
    """Return the first bytes of a server that is reached by the command for these jump hosts."""
    command = (
        jump_command(jumps, "web-1", config)
        .replace("[%h]:%p", f"[127.0.0.1]:{server.port}")
        .replace("%%", "%")
    )
    done = subprocess.run(
        ["sh", "-c", command],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=deadline(30),
    )
    return done.stdout[:8]


def test_each_jump_host_of_a_given_ssh_config_is_verified_whatever_the_file_says(
    tmp_path: Path, bastion: Server, session_server: Server
) -> None:
    config, known = tmp_path / "it's 100% mine", tmp_path / "known"
    stanza = (
        "  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
        f"  StrictHostKeyChecking no\n  UserKnownHostsFile {known}\n"
    )
    config.write_text(
        "".join(
            f"Host {name}\n" + stanza.format(port=server.port, user=getpass.getuser(), key=server.client_key)
            for name, server in (("gate", bastion), ("inner", session_server))
        ),
        encoding="utf-8",
    )
    keys = [
        (server.place / "host.pub").read_text(encoding="ascii").split()
        for server in (bastion, session_server)
    ]
    own, theirs = (
        f"{server.name_in_known_hosts} {kind} {key}\n"
        for server, (kind, key, *_) in zip((bastion, session_server), keys, strict=True)
    )
    for jumps, text in (("gate", ""), ("gate,inner", own), ("gate,inner", theirs)):
        known.write_text(text, encoding="ascii")
        assert banner_behind(jumps, config, session_server) == ""
        assert known.read_text(encoding="ascii") == text
    known.write_text(own + theirs, encoding="ascii")
    for jumps in ("gate", "gate,inner"):
        assert banner_behind(jumps, config, session_server) == "SSH-2.0-"
