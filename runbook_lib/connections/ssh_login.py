"""Log in on one machine: its host key is verified, and what fails is said with what to check."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import paramiko

from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.ssh_transport import make_transport
from runbook_lib.errors import AuthenticationError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["connect", "host_key"]

_SSH_PORT = 22


def connect(
    connection: Any,  # noqa: ANN401 - fabric is untyped
    known_hosts: Sequence[Path],
    place: str,
    *,
    first_session: bool = False,
) -> None:
    """Open one connection, whose bastion is connected, and verify its host key.

    Args:
        connection: Fabric's connection.
        known_hosts: The files that have the host's key; empty: those of ssh_config.
        place: The host, for messages.
        first_session: Request a session together with the login; see `PipeliningTransport`.

    Raises:
        UnreachableError: With the reason and a hint.
    """
    config = connection.ssh_config
    name = config.host_key_alias or connection.host
    port = _SSH_PORT if config.host_key_alias else connection.port
    known = known_host(known_hosts or config.known_hosts, name, port, place)
    connection.client.set_missing_host_key_policy(known)  # Fabric accepts unknown host keys by default
    connection.connect_kwargs["transport_factory"] = functools.partial(
        make_transport, key_types=known.key_types, first_session=first_session
    )
    try:
        connection.open()
    except paramiko.PasswordRequiredException as encrypted:
        raise AuthenticationError(
            "the private key is encrypted, and ssh-agent does not hold a key that the host accepts",
            where=place,
            hint="add the key to ssh-agent: `ssh-add FILE`",
        ) from encrypted
    except paramiko.AuthenticationException as refused:
        if "timeout" in str(refused):
            raise UnreachableError(
                f"the host did not answer the login of user {connection.user!r}",
                where=place,
                hint="check on the host's console what the login waits for: its load, its disks, LDAP, DNS",
            ) from refused
        raise AuthenticationError(
            f"the host rejects the login of user {connection.user!r}",
            where=place,
            hint="check user and identity_file in the inventory"
            f" (identity_file: {', '.join(_files(connection)) or 'not set'})",
        ) from refused
    except paramiko.SSHException as problem:
        if "private key file" in str(problem):
            raise AuthenticationError(
                f"identity_file {', '.join(_files(connection))} is not a private key",
                where=place,
                hint="set identity_file to the private key, not the public key",
            ) from problem
        if "No existing session" in str(
            problem
        ):  # what paramiko says once its timeout for the handshake has passed
            raise UnreachableError(
                f"cannot connect: no SSH handshake within {connection.connect_timeout:g} s",
                where=place,
                hint="check that sshd is running on the host, and that the host is not frozen",
            ) from problem
        raise UnreachableError(
            f"SSH failed: {problem}", where=place, hint="check that sshd is running on the host"
        ) from problem
    except (OSError, EOFError) as problem:
        reason = str(problem) or type(problem).__name__
        raise UnreachableError(
            f"cannot connect: {reason}",
            where=place,
            hint="check the address, the network, and that sshd is running on the host",
        ) from problem


def host_key(connection: Any) -> str:  # noqa: ANN401 - fabric is untyped
    """Return type and fingerprint of an open connection's verified host key."""
    key = connection.transport.get_remote_server_key()
    return f"{key.get_name()} {key.fingerprint}"


def _files(connection: Any) -> list[str]:  # noqa: ANN401 - fabric is untyped
    return list(connection.connect_kwargs.get("key_filename", []))
