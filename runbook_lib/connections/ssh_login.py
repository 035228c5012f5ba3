"""Log in on one machine: its host key is verified, and what fails is said with what to check."""

from __future__ import annotations

import contextlib
import functools
import struct
from typing import TYPE_CHECKING, Any

import paramiko
from cryptography.exceptions import InvalidSignature, InvalidTag

from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.ssh_transport import MORE_THAN_A_KEY, make_transport
from runbook_lib.connections.tcp_socket import connect_to_any
from runbook_lib.errors import AuthenticationError, RunbookError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["connect", "host_key"]

_SSH_PORT = 22
# paramiko passes on what its thread has met in what the host has sent: text that is not UTF-8, a message cut short, …
_BROKEN = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    InvalidTag,
    InvalidSignature,
)


def connect(
    connection: Any,  # noqa: ANN401 - fabric is untyped
    known_hosts: Sequence[Path],
    place: str,
    *,
    first_sessions: bool = False,
) -> None:
    """Open one connection, whose bastion is connected, and verify its host key.

    Args:
        connection: Fabric's connection.
        known_hosts: The files that have the host's key; empty: those of ssh_config.
        place: The host, for messages.
        first_sessions: Request sessions together with the login; see `PipeliningTransport`.

    Raises:
        UnreachableError: With the reason and a hint.
    """
    config = connection.ssh_config
    name = config.host_key_alias or connection.host
    port = _SSH_PORT if config.host_key_alias else connection.port
    known = known_host(known_hosts or config.known_hosts, name, port, place)
    connection.client.set_missing_host_key_policy(known)  # Fabric accepts unknown host keys by default
    connection.connect_kwargs["transport_factory"] = functools.partial(
        make_transport, key_types=known.key_types, first_sessions=first_sessions
    )
    try:
        _open(connection)
    except RunbookError:
        raise
    except paramiko.AuthenticationException as refused:
        raise _not_logged_in(refused, connection, place) from refused
    except paramiko.SSHException as problem:
        # After a refusal paramiko tries the key as one of other types, and tries more keys than the host allows.
        refusal = getattr(connection.client.get_transport(), "refusal", None)
        raise (
            _not_logged_in(refusal, connection, place) if refusal else _failed(problem, connection, place)
        ) from problem
    except (OSError, EOFError) as problem:
        reason = str(problem) or type(problem).__name__
        raise UnreachableError(
            f"cannot connect: {reason}",
            where=place,
            hint="check the address, the network, and that sshd is running on the host",
        ) from problem
    except _BROKEN as problem:
        raise UnreachableError(
            f"SSH failed: {type(problem).__name__}: {problem}",
            where=place,
            hint="check what listens at the address and port: the answer violates the SSH protocol",
        ) from problem


def _open(connection: Any) -> None:  # noqa: ANN401 - fabric is untyped
    """Open Fabric's connection; if nothing else leads to the host, over a socket to one of its addresses."""
    given = connection.connect_kwargs
    if connection.gateway or "sock" in given:
        connection.open()
        return
    config = connection.ssh_config
    given["sock"] = opened = connect_to_any(
        connection.host,
        connection.port,
        connection.connect_timeout,
        family=config.address_family,
        source=config.bind_address,
    )
    with contextlib.ExitStack() as failure:
        failure.callback(opened.close)
        try:
            connection.open()
        finally:
            del given["sock"]
        failure.pop_all()


def _not_logged_in(refused: paramiko.SSHException, connection: Any, place: str) -> RunbookError:  # noqa: ANN401 - fabric is untyped
    """Return the error of a login that has failed."""
    if isinstance(refused, paramiko.PasswordRequiredException):
        return AuthenticationError(
            "the private key is encrypted, and ssh-agent does not hold a key that the host accepts",
            where=place,
            hint="add the key to ssh-agent: `ssh-add FILE`",
        )
    if "timeout" in str(refused):
        return UnreachableError(
            f"the host did not answer the login of user {connection.user!r}",
            where=place,
            hint="check on the host's console what the login waits for: its load, its disks, LDAP, DNS",
        )
    if str(refused) == MORE_THAN_A_KEY:
        return AuthenticationError(
            f"the host rejects the login of user {connection.user!r}: {refused}",
            where=place,
            hint="a run cannot answer prompts: let this user log in with a key alone (AuthenticationMethods publickey)",
        )
    return AuthenticationError(
        f"the host rejects the login of user {connection.user!r}",
        where=place,
        hint="check user and identity_file in the inventory"
        f" (identity_file: {', '.join(_files(connection)) or 'not set'})",
    )


def _failed(problem: paramiko.SSHException, connection: Any, place: str) -> UnreachableError:  # noqa: ANN401 - fabric is untyped
    """Return the error of an SSH connection that has failed before or after the login."""
    if "private key file" in str(problem):
        return AuthenticationError(
            f"identity_file {', '.join(_files(connection))} is not a private key",
            where=place,
            hint="set identity_file to the private key, not the public key",
        )
    if "No existing session" in str(
        problem
    ):  # what paramiko says once its timeout for the handshake has passed
        return UnreachableError(
            f"cannot connect: no SSH handshake within {connection.connect_timeout:g} s",
            where=place,
            hint="check that sshd is running on the host, and that the host is not frozen",
        )
    if isinstance(problem, paramiko.ChannelException):
        return UnreachableError(
            f"the bastion does not connect to the host: {problem.text or f'code {problem.code}'}",
            where=place,
            hint="check AllowTcpForwarding on the bastion, and that it reaches the host",
        )
    return UnreachableError(
        f"SSH failed: {problem}", where=place, hint="check that sshd is running on the host"
    )


def host_key(connection: Any) -> str:  # noqa: ANN401 - fabric is untyped
    """Return type and fingerprint of an open connection's verified host key."""
    key = connection.transport.get_remote_server_key()
    return f"{key.get_name()} {key.fingerprint}"


def _files(connection: Any) -> list[str]:  # noqa: ANN401 - fabric is untyped
    return list(connection.connect_kwargs.get("key_filename", []))
