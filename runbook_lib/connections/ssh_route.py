"""How a host is reached: ssh_config, and the bastions, the proxy command or the network namespace on the way."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from runbook_lib import subprocess_termination
from runbook_lib.connections.identity import close_agent, identities, merged
from runbook_lib.connections.network_namespace import open_socket
from runbook_lib.connections.proxy_command import start_proxy
from runbook_lib.connections.ssh_config import read_ssh_config
from runbook_lib.errors import InventoryError, UnreachableError
from runbook_lib.grace_periods import PROXY_COMMAND

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Mapping

    from runbook_lib.host_settings import Host

__all__ = [
    "add_bastions",
    "bastions",
    "cut",
    "discard_route",
    "host_and_address",
    "make_connection",
    "make_route",
]

_MAX_BASTIONS = 8


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


def make_route(host: Host, further: Mapping[str, str]) -> tuple[Any, subprocess.Popen[bytes] | None]:
    """Return Fabric's connection to a host, not opened yet, and the process of the proxy command, if there is one.

    Args:
        host: The inventory's host.
        further: Private keys that are tried before that of the inventory, by the account that they are for.

    Raises:
        InventoryError: As for `make_connection`.
        AuthenticationError: As for `make_connection`.
        UnreachableError: The host's network namespace does not reach it, or the proxy command cannot be started.
    """
    connection = make_connection(
        host.target,
        host.name,
        user=host.user,
        port=host.port if "port" in host.model_fields_set else None,
        connect_timeout=max(1, round(host.connect_timeout)),
        identity_file=host.identity_file,
        further=further,
    )
    process = None
    proxy = host.proxy_command or connection.ssh_config.proxy_command
    if host.network_namespace:
        connection.connect_kwargs["sock"] = _socket_in_namespace(host, connection)
    elif proxy:
        command = connection.ssh_config.expand(proxy, host.name)
        connection.connect_kwargs["sock"], process = start_proxy(command, host.name)
    else:
        add_bastions(connection, host.name)
    return connection, process


def _socket_in_namespace(host: Host, connection: Any) -> socket.socket:  # noqa: ANN401 - fabric is untyped
    try:
        return open_socket(
            str(host.network_namespace), connection.host, connection.port, host.connect_timeout
        )
    except OSError as problem:
        raise UnreachableError(
            f"cannot connect: {problem}",
            where=host_and_address(host, connection),
            hint="check that the lab is up: `runbook lab status`, with the lab's --name",
        ) from problem


def host_and_address(host: Host, connection: Any) -> str:  # noqa: ANN401 - fabric is untyped
    """Return a host and the address that its connection goes to, for messages."""
    return f"{host.name} ({connection.host}:{connection.port})"


def cut(connection: Any) -> None:  # noqa: ANN401 - fabric is untyped
    """Close a connection and its bastions, the first one first: a transport whose own is gone waits for nothing."""
    for one in (*bastions(connection), connection):
        one.client.close()
    close_agent(connection.connect_kwargs)


def discard_route(made: tuple[Any, subprocess.Popen[bytes] | None]) -> None:
    """Close what `make_route` has returned too late."""
    connection, proxy = made
    cut(connection)
    if proxy is not None:
        subprocess_termination.terminate(proxy, PROXY_COMMAND)


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


@functools.cache
def _fabric_config() -> Any:  # noqa: ANN401 - fabric is untyped
    """Return a configuration with which Fabric does not read ssh_config itself."""
    return fabric.Config(ssh_config=paramiko.SSHConfig())
