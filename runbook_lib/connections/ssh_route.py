"""How a host is reached: ssh_config, bastions and the verified host key of each machine on the way."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from runbook_lib.connections.identity import identities, merged
from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.ssh_config import read_ssh_config
from runbook_lib.connections.ssh_transport import make_transport
from runbook_lib.errors import AuthenticationError, InventoryError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["add_bastions", "bastions", "connect", "host_key", "make_connection"]

_MAX_BASTIONS = 8
_SSH_PORT = 22


def make_connection(  # noqa: PLR0913 - all that an inventory says of the way to a host
    target: str,
    place: str,
    *,
    connect_timeout: int,
    user: str | None = None,
    port: int | None = None,
    identity_file: str | None = None,
    further: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401 - fabric is untyped
    """Return Fabric's connection to a host, not opened yet, without a bastion, set up by the user's ssh_config.

    Its `ssh_config` is an `SshConfig`.

    Args:
        target: The host's name or address.
        place: The host, for messages.
        connect_timeout: Seconds.
        user: The user, if the inventory names one.
        port: The port, if the inventory names one.
        identity_file: The only private key to log in with; None: those of ssh_config.
        further: Private keys that are tried before it, by the account that they are for.

    Raises:
        InventoryError: ssh_config is malformed, or has an option that is not supported.
        AuthenticationError: The private key cannot be used.
    """
    config = read_ssh_config(target, place, user, port)
    keys = identities(config, identity_file, place)
    first = (further or {}).get(config.user)
    if first:
        keys = merged(identities(config, first, place), keys)
    connection = fabric.Connection(
        config.host,
        user=config.user,
        port=config.port,
        gateway=False,
        config=_fabric_config().clone(),  # making a connection modifies the configuration
        connect_timeout=connect_timeout,
        connect_kwargs=keys,
    )
    connection.ssh_config = config
    return connection


def add_bastions(connection: Any, place: str, *, depth: int = 0) -> None:  # noqa: ANN401 - fabric is untyped
    """Give a connection the bastions that ssh_config's ProxyJump names; the first is reached first.

    Raises:
        InventoryError: The bastions refer to each other, or ssh_config is malformed.
    """
    jump = connection.ssh_config.proxy_jump
    if not jump:
        return
    previous = None
    for hop in jump.split(","):
        if depth >= _MAX_BASTIONS:
            raise InventoryError(
                f"ProxyJump names more than {_MAX_BASTIONS} bastions in a row; do they refer to each other?",
                where=place,
                hint="fix ~/.ssh/config",
            )
        user, name, port = _parse_hop(hop)
        bastion = make_connection(
            name,
            f"{place} (bastion {hop})",
            connect_timeout=connection.connect_timeout,
            user=user,
            port=port,
        )
        if previous is None:
            if bastion.ssh_config.proxy_command:
                raise InventoryError(
                    f"the bastion {hop} needs ProxyCommand, which is not supported for bastions",
                    where=place,
                    hint="set proxy_command of the host in the inventory: `ssh -W %h:%p BASTION`",
                )
            add_bastions(bastion, place, depth=depth + 1)
        else:
            bastion.gateway = previous
        previous = bastion
    connection.gateway = previous


def _parse_hop(hop: str) -> tuple[str | None, str, int | None]:
    """Return user, host and port of a bastion that `ssh -G` prints as `[user@]host[:port]`."""
    user, _, place = hop.strip().removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host, port = place, ""
    return user or None, host.strip("[]"), int(port) if port else None


def bastions(connection: Any) -> list[Any]:  # noqa: ANN401 - fabric is untyped
    """Return the bastions of a connection, the one that is reached first first."""
    found: list[Any] = []
    while connection := connection.gateway:
        found.insert(0, connection)
    return found


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


@functools.cache
def _fabric_config() -> Any:  # noqa: ANN401 - fabric is untyped
    """Return a configuration with which Fabric does not read ssh_config itself."""
    return fabric.Config(ssh_config=paramiko.SSHConfig())
