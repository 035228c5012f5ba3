"""How a host is reached: ssh_config, bastions and the verified host key of each machine on the way."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import fabric
import paramiko

from runbook_lib.connections.known_hosts import known_host
from runbook_lib.connections.ssh_transport import make_transport
from runbook_lib.errors import AuthenticationError, InventoryError, UnreachableError

__all__ = ["add_bastions", "bastions", "connect", "host_key", "make_connection"]

_MAX_BASTIONS = 8


def make_connection(target: str, place: str, **options: Any) -> Any:  # noqa: ANN401 - fabric is untyped
    """Return Fabric's connection to a host, not opened yet, without a bastion, set up by the user's ssh_config.

    Raises:
        InventoryError: ssh_config is malformed.
    """
    try:
        config = _config(*_state(Path("~/.ssh/config").expanduser()))
        # Making a connection modifies the configuration.
        connection = fabric.Connection(target, gateway=False, config=config.clone(), **options)
    except (paramiko.ConfigParseError, UnicodeDecodeError, ValueError) as problem:
        raise InventoryError(
            f"ssh_config cannot be used: {problem}",
            where=place,
            hint="fix ~/.ssh/config or /etc/ssh/ssh_config",
        ) from problem
    # As OpenSSH does, ignore an IdentityFile that does not exist.
    files = [file for file in _files(connection) if Path(file).expanduser().exists()]
    connection.connect_kwargs = {**connection.connect_kwargs, "key_filename": files}
    return connection


def add_bastions(connection: Any, place: str, *, depth: int = 0) -> None:  # noqa: ANN401 - fabric is untyped
    """Give a connection the bastions that ssh_config's ProxyJump names; the first is reached first.

    Raises:
        InventoryError: The bastions refer to each other, or ssh_config is malformed.
    """
    jump = connection.ssh_config.get("proxyjump", "none")
    if jump.lower() == "none":
        return
    previous = None
    for hop in jump.split(","):
        if depth >= _MAX_BASTIONS:
            raise InventoryError(
                f"ProxyJump names more than {_MAX_BASTIONS} bastions in a row; do they refer to each other?",
                where=place,
                hint="fix ~/.ssh/config",
            )
        bastion = make_connection(hop.strip().removeprefix("ssh://"), place)
        bastion.connect_timeout = connection.connect_timeout
        if previous is None:
            if bastion.ssh_config.get("proxycommand"):
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


def bastions(connection: Any) -> list[Any]:  # noqa: ANN401 - fabric is untyped
    """Return the bastions of a connection, the one that is reached first first."""
    found: list[Any] = []
    while connection := connection.gateway:
        found.insert(0, connection)
    return found


def connect(connection: Any, known_hosts: Path, place: str) -> None:  # noqa: ANN401 - fabric is untyped
    """Open one connection, whose bastion is connected, and verify its host key.

    Args:
        connection: Fabric's connection.
        known_hosts: The file that has the host's key.
        place: The host, for messages.

    Raises:
        UnreachableError: With the reason and a hint.
    """
    name = connection.ssh_config.get("hostkeyalias") or connection.host
    port = connection.port if name == connection.host else 22
    known = known_host(known_hosts, name, port, place)
    connection.client.set_missing_host_key_policy(known)  # Fabric accepts unknown host keys by default
    connection.connect_kwargs["transport_factory"] = functools.partial(
        make_transport, key_types=known.key_types
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


def _state(file: Path) -> tuple[str, int, int]:
    try:
        state = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=4)
def _config(_file: str, _changed: int, _size: int) -> Any:  # noqa: ANN401 - fabric is untyped
    # With explicit SSH settings, Fabric does not read them again and append them every time the object is cloned.
    return fabric.Config(ssh_config=fabric.Config().base_ssh_config)
