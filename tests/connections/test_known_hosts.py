"""known_hosts is read as OpenSSH reads it; OpenSSH's own client is asked about the same files."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import HostKeyError
from runbook_lib.secrets import Secrets
from tests.connections import sshd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connections.sshd import Server


@pytest.fixture
def other(server: Server) -> str:
    """Return the public key of another machine."""
    return public(sshd.make_key(server.place / f"other-{time.monotonic_ns()}"))


def public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text(encoding="ascii").split()[:2])


def openssh_accepts(server: Server) -> bool:
    """Return whether OpenSSH connects with the same known_hosts."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": server.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "IdentityFile": server.client_key,
        "IdentitiesOnly": "yes",
    }
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    done = subprocess.run(
        ["ssh", "-F", "/dev/null", *given, "-p", str(server.port), "127.0.0.1", "true"],
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


def error(server: Server, lines: str | bytes) -> str:
    """Connect with these lines in known_hosts; return the error, empty if the host is accepted."""
    server.known_hosts.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    connection = SshConnection(server.host(), Secrets())
    try:
        connection.open()
    except HostKeyError as refused:
        message = refused.message
    else:
        message = ""
    finally:
        connection.close()
    assert openssh_accepts(server) == (not message)
    return message


def test_any_of_several_keys_of_one_kind_proves_the_host(server: Server, other: str) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert error(server, f"{name} {other}\n{name} {own}\n") == ""
    assert error(server, f"{name} {own}\n{name} {other}\n") == ""
    assert "has changed" in error(server, f"{name} {other}\n")


def test_markers_for_other_hosts_are_of_no_account(server: Server, other: str) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert error(server, f"@cert-authority *.corp.example {other}\n@revoked mars {own}\n{name} {own}\n") == ""


def test_a_revoked_key_is_refused_as_revoked(server: Server, other: str) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert "is revoked" in error(server, f"@revoked {name} {own}\n{name} {own}\n")
    assert "is revoked" in error(server, f"{name} {own}\n@revoked * {own}\n")
    assert error(server, f"@revoked {name} {other}\n{name} {own}\n") == ""


def test_a_host_known_only_by_a_certificate_authority_is_refused_with_what_to_do(
    server: Server, other: str
) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert "host certificates are not supported" in error(server, f"@cert-authority {name} {other}\n")
    assert error(server, f"@cert-authority {name} {other}\n{name} {own}\n") == ""


def test_malformed_lines_and_comments_of_any_bytes_are_skipped(server: Server) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    odd = b"# caf\xe9\nmars ssh-ed25519 AAAA!no\nvenus\n\n@odd x y z\nmars ssh-rsa AAAA\n"
    assert error(server, odd + f"{name} {own} ".encode() + b"r\xe9mi\xff\n") == ""


def test_a_key_under_the_name_of_another_kind_proves_nothing(server: Server) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert "unknown" in error(server, f"{name} {own.replace('ssh-ed25519', 'ssh-rsa')}\n")


def test_names_may_be_hashed_patterns_or_negated(server: Server) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert error(server, f"[127.0.*]:{server.port} {own}\n") == ""
    assert error(server, f"mars,[127.0.0.?]:{server.port} {own}\n") == ""
    assert "unknown" in error(server, f"[127.0.*]:{server.port},!{name} {own}\n")
    server.known_hosts.write_text(f"{name} {own}\n", encoding="ascii")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(server.known_hosts)], check=True, capture_output=True)
    hashed = server.known_hosts.read_bytes()
    assert hashed.startswith(b"|1|")
    assert error(server, hashed) == ""


def test_a_key_known_without_the_port_proves_the_host_on_any_port(server: Server, other: str) -> None:
    name, own = server.name_in_known_hosts, public(server.place / "host")
    assert error(server, f"127.0.0.1 {own}\n") == ""
    assert error(server, f"127.0.0.1 {other}\n")
    assert "has changed" in error(server, f"{name} {other}\n127.0.0.1 {own}\n")
    assert "is revoked" in error(server, f"@revoked {name} {own}\n127.0.0.1 {own}\n")
    assert "is revoked" in error(server, f"@revoked 127.0.0.1 {own}\n127.0.0.1 {own}\n")
    assert "is revoked" in error(server, f"127.0.0.1 {own}\n@revoked 127.0.* {own}\n")
    assert error(server, f"@revoked 127.0.0.1 {other}\n127.0.0.1 {own}\n") == ""
    assert error(server, f"@revoked 127.0.0.1 {own}\n{name} {own}\n") == ""


@pytest.mark.usefixtures("server")  # skips where there is no sshd
def test_the_kind_of_key_that_is_known_is_asked_for(tmp_path: Path) -> None:
    ecdsa = tmp_path / "ecdsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(ecdsa)], check=True)
    with sshd.running(tmp_path / "two", f"HostKey {ecdsa}\n") as both:
        for key in (ecdsa, both.place / "host"):
            assert error(both, f"{both.name_in_known_hosts} {public(key)}\n") == ""
