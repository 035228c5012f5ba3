"""What the inventory names on this machine, checked before the first host is contacted: keys and known_hosts files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.connections.identity import identity_in_file
from runbook_lib.connections.registry import reads_ssh_files
from runbook_lib.connections.ssh_config import read_ssh_config
from runbook_lib.errors import AuthenticationError, InventoryError, SecretError
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runbook_lib.host_settings import Host

__all__ = ["check_host_inputs", "check_sudo_passwords"]

_READABLE_BY_OTHERS = 0o077
_HEAD = 4096  # bytes read of a file that should be a private key
_ORDER = "a relative path is looked up in the inventory's directory, then in the current one and those above"
_ADD = "add the host's key, once verified, to the user's known_hosts, or set known_hosts in the inventory"


def check_host_inputs(hosts: Iterable[Host], inventory: Path | None) -> None:
    """Check the files with which hosts are reached over SSH; no host is contacted.

    Args:
        hosts: The hosts of a run.
        inventory: The inventory file, for messages.

    Raises:
        InventoryError: A private key or a known_hosts file is missing, or OpenSSH would not accept it.
    """
    checked: set[tuple[str | None, str | None]] = set()
    for host in hosts:
        files = (host.identity_file, host.known_hosts)
        if not reads_ssh_files(host.connection) or (all(files) and files in checked):
            continue
        checked.add(files)
        place = f"{inventory}, host {host.name!r}" if inventory else host.name
        if host.identity_file:
            _check_key(host.identity_file, place)
        _check_known_hosts(host, place)


def check_sudo_passwords(
    hosts: Iterable[Host], inventory: Path | None, resolve: Callable[[str], object]
) -> None:
    """Check that the references to passwords for sudo have values.

    Args:
        hosts: The hosts of a run.
        inventory: The inventory file, for messages.
        resolve: Returns the value of a reference.

    Raises:
        SecretError: One has none; with the host that names it.
    """
    for host in hosts:
        if not host.sudo_password:
            continue
        try:
            resolve(host.sudo_password)
        except SecretError as problem:
            place = f"{inventory}, host {host.name!r}" if inventory else host.name
            raise SecretError(
                problem.message, where=f"{place}, sudo_password {host.sudo_password}", hint=problem.hint
            ) from None  # as in `Secrets`: a cause might show a value


def _check_key(file: str, place: str) -> None:
    path = expanded(file)
    state = _state(path, f"identity_file {path}", place, f"set identity_file to your private key; {_ORDER}")
    try:
        with path.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as problem:
        raise InventoryError(
            f"identity_file {path} cannot be read: {problem.strerror}",
            where=place,
            hint="check the file's owner and mode",
        ) from problem
    if not head.lstrip().startswith(b"-----BEGIN ") or b"PRIVATE KEY-----" not in head:
        raise InventoryError(
            f"identity_file {path} is not a private key{_instead(head)}",
            where=place,
            hint="set identity_file to the private key that ssh-keygen wrote",
        )
    if state.st_mode & _READABLE_BY_OTHERS and state.st_uid == os.geteuid():
        raise InventoryError(
            f"identity_file {path} is readable by other users (mode {stat.S_IMODE(state.st_mode):04o})",
            where=place,
            hint=f"chmod 600 {path}; if others could read it, replace the key",
        )
    try:
        identity_in_file(file, place)
    except AuthenticationError as problem:
        raise InventoryError(problem.message, where=place, hint=problem.hint) from problem


def _instead(head: bytes) -> str:
    if head.split(b" ", 1)[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return ": it is the public key"
    if head.startswith(b"PuTTY-User-Key-File"):
        return ": it is in PuTTY's format"
    return "" if head else ": it is empty"


def _check_known_hosts(host: Host, place: str) -> None:
    if host.known_hosts:
        path = expanded(host.known_hosts)
        _state(path, f"known_hosts {path}", place, f"{_ADD}; {_ORDER}")
        return
    files = [expanded("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts")]
    if any(path.is_file() for path in files):
        return  # ssh_config may name others: then connecting says so
    config = read_ssh_config(host.target, place, host.user)
    if not any(path.is_file() for path in config.known_hosts):
        raise InventoryError(
            f"no known_hosts file exists: {', '.join(map(str, config.known_hosts)) or 'ssh_config names none'}",
            where=place,
            hint=_ADD,
        )


def _state(path: Path, name: str, place: str, hint: str) -> os.stat_result:
    """Return the state of a regular file that can be read."""
    try:
        state = path.stat()
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        message = f"{name} does not exist" if missing else f"{name} cannot be read: {problem.strerror}"
        raise InventoryError(message, where=place, hint=hint) from problem
    if not stat.S_ISREG(state.st_mode):
        kind = "a directory" if stat.S_ISDIR(state.st_mode) else "not a regular file"
        raise InventoryError(f"{name} is {kind}", where=place, hint=hint)
    if not os.access(path, os.R_OK):
        raise InventoryError(f"{name} cannot be read: permission denied", where=place, hint=hint)
    return state
