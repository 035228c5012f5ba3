"""The private key that a host is logged in with: a file, or its key in ssh-agent if the file is encrypted."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.bounded_call import OverdueError, call_or_leave
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.errors import AuthenticationError
from runbook_lib.grace_periods import LOGIN
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import paramiko

    from runbook_lib.connections.ssh_config import SshConfig

__all__ = ["close_agent", "identities", "identity_in_file", "merged"]

_OPENSSH = b"openssh-key-v1\0"
_OPENSSH_LINE = "-----BEGIN OPENSSH PRIVATE KEY-----"


def identities(config: SshConfig, file: str | None, place: str) -> dict[str, Any]:
    """Return the arguments of paramiko's `connect` that say which keys to log in with.

    Args:
        config: What ssh_config says of the host.
        file: The inventory's `identity_file`: then no other key is tried.
        place: The host, for messages.

    Raises:
        AuthenticationError: `file` cannot be used.
    """
    if file:
        return identity_in_file(file, place)
    files = [name for name in config.identity_files if not config.identities_only or not _is_encrypted(name)]
    arguments = {
        "allow_agent": config.agent and not config.identities_only,
        "look_for_keys": False,
        "key_filename": files,
    }
    if config.identities_only and config.agent:
        key = _in_agent({_inspect(Path(name))[1] for name in config.identity_files if _is_encrypted(name)})
        return {**arguments, "pkey": key} if key else arguments
    return arguments


def merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of paramiko's `connect` that try the keys of both, each of them as `identities` returns it.

    A key of ssh-agent is tried before all files, and there is at most one of them.
    """
    files = [*_files_of(first), *_files_of(then)]
    return {**then, **first, "allow_agent": bool(then.get("allow_agent")), "key_filename": files}


def _files_of(arguments: Mapping[str, Any]) -> list[str]:
    files = arguments.get("key_filename") or []
    return [files] if isinstance(files, str) else list(files)


def identity_in_file(file: str, place: str) -> dict[str, Any]:
    """Return the arguments of paramiko's `connect` that log in with this key and no other.

    Args:
        file: The inventory's `identity_file`.
        place: The host, for messages.

    Raises:
        AuthenticationError: The file is missing; or it is encrypted, and ssh-agent does not hold the key.
    """
    path = expanded(file)
    if not path.exists():
        raise AuthenticationError(
            f"identity_file {path} does not exist", where=place, hint="set identity_file to your private key"
        )
    only = {"allow_agent": False, "look_for_keys": False}
    try:
        encrypted, public = _inspect(path)
    except OSError as problem:
        raise AuthenticationError(
            f"identity_file {path} cannot be read: {problem}",
            where=place,
            hint="check the file's owner and mode",
        ) from problem
    if not encrypted:
        return {**only, "key_filename": str(path)}
    if not os.environ.get("SSH_AUTH_SOCK"):
        raise AuthenticationError(
            f"identity_file {path} is encrypted, and there is no ssh-agent (SSH_AUTH_SOCK is not set)",
            where=place,
            hint=f"start ssh-agent and add the key: `ssh-add {path}`",
        )
    try:
        # An inventory is checked here too: an agent that has stopped never answers.
        key = call_or_leave(lambda: _in_agent({public}), CommandWait(LOGIN), lambda: None, _discard)
    except OverdueError as silent:
        raise AuthenticationError(
            f"identity_file {path} is encrypted, and ssh-agent does not answer",
            where=place,
            hint="see what `ssh-add -l` says; SSH_AUTH_SOCK names the agent",
        ) from silent
    if key:
        return {**only, "pkey": key}
    raise AuthenticationError(
        f"identity_file {path} is encrypted, and ssh-agent does not hold its key",
        where=place,
        hint=f"add the key: `ssh-add {path}`",
    )


def _in_agent(public: set[bytes]) -> paramiko.AgentKey | None:
    """Return the first key that ssh-agent holds of these public keys; `close_agent` closes the connection to it."""
    import paramiko  # noqa: PLC0415 - slow to import; keys are also checked where no host is reached over SSH

    agent = paramiko.Agent()
    for key in agent.get_keys():
        if key.asbytes() in public - {b""}:
            return key
    agent.close()
    return None


def _is_encrypted(file: str) -> bool:
    try:
        return _inspect(Path(file))[0]
    except OSError:
        return False


def _discard(key: paramiko.AgentKey | None) -> None:
    """Close the connection to ssh-agent of a key that came too late."""
    close_agent({"pkey": key})


def close_agent(arguments: Mapping[str, Any]) -> None:
    """Close the connection to ssh-agent that `identities` opened for these arguments, if it did."""
    import paramiko  # noqa: PLC0415 - as above

    key = arguments.get("pkey")
    if isinstance(key, paramiko.AgentKey) and isinstance(key.agent, paramiko.Agent):
        key.agent.close()


def _inspect(path: Path) -> tuple[bool, bytes]:
    """Return whether a private key is encrypted, and its public key, empty if that is not known."""
    first, *lines = path.read_text(encoding="ascii", errors="replace").strip().splitlines() or [""]
    try:
        sidecar = path.with_name(f"{path.name}.pub").read_bytes().split()
        public = base64.b64decode(sidecar[1]) if len(sidecar) > 1 else b""
    except (OSError, ValueError):  # ValueError: not base64, or not ASCII
        public = b""
    if first.strip() != _OPENSSH_LINE:
        return "ENCRYPTED" in first or any(
            line.startswith("Proc-Type: 4,ENCRYPTED") for line in lines
        ), public
    try:
        content = base64.b64decode("".join(lines[:-1])).removeprefix(_OPENSSH)
        cipher, rest = _string(content)
        for _ in range(2):  # the key derivation function and its options
            _, rest = _string(rest)
        public, _ = _string(rest[4:])  # after the number of keys
    except ValueError:
        return False, public
    return cipher != b"none", public


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Return SSH's first string of `data`, and what follows it."""
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size], data[4 + size :]
