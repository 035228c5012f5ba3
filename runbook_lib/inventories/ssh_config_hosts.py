"""The hosts of an ssh_config: the names of its `Host` lines, each with what OpenSSH says of it."""

from __future__ import annotations

import glob
import hashlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.connections.ssh_config import read_config_file
from runbook_lib.connections.ssh_files import default_known_hosts
from runbook_lib.errors import InventoryError
from runbook_lib.inventories.source import HostEntry, Source
from runbook_lib.inventories.ssh_arguments import jump_command
from runbook_lib.project import expanded, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFAULT", "read_ssh_config_hosts", "read_ssh_config_names"]

DEFAULT = "~/.ssh/config"
"""The file that OpenSSH, and every connection here, reads anyway."""
_PATTERN = set("*?!")
_DEEPEST = 16  # files that include files, as in OpenSSH
_KEYS = {"id_rsa", "id_ecdsa", "id_ed25519"}


def read_ssh_config_hosts(path: Path) -> Source:
    """Return the hosts that an ssh_config names, without patterns.

    Raises:
        InventoryError: It cannot be read, or OpenSSH refuses it, or it has an option that is not supported.
    """
    names = read_ssh_config_names(path)
    if expanded(path).absolute() == expanded(DEFAULT).absolute():
        return names
    hosts = {
        name: HostEntry(_settings(path, name, entry.where), entry.where)
        for name, entry in names.hosts.items()
    }
    return replace(names, hosts=hosts)


def read_ssh_config_names(path: Path) -> Source:
    """Return the hosts that an ssh_config names, without settings; no program is started, as `Match exec` would do.

    Raises:
        InventoryError: It cannot be read, or is malformed.
    """
    texts: list[bytes] = []
    names = dict.fromkeys(_names(path, texts, 0))
    hosts = {name: HostEntry({}, f"{path}, host {name!r}") for name in names}
    return Source("ssh_config", str(path), hashlib.sha256(b"".join(texts)).hexdigest(), hosts, {})


def _names(path: Path, texts: list[bytes], depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise InventoryError("ssh_config: too many files that include files", where=str(path))
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise InventoryError(f"cannot be read: {problem.strerror}", where=str(path)) from problem
    texts.append(content)
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        keyword, values = _line(line, f"{path}, line {number}")
        if keyword == "host":
            yield from (value for value in values if not _PATTERN & set(value))
        elif keyword == "include":
            for value in values:
                pattern = expanded("~/.ssh") / expanded(value)
                for included in sorted(glob.glob(str(pattern))) if value else ():  # noqa: PTH207 - takes any pattern
                    yield from _names(Path(included), texts, depth + 1)


def _line(line: str, where: str) -> tuple[str, list[str]]:
    """Return a line's keyword, in lower case, and its values."""
    text = line.strip()
    if not text or text.startswith("#"):
        return "", []
    keyword, _, rest = (
        text.replace("=", " ", 1).partition(" ") if "=" in text.split()[0] else text.partition(" ")
    )
    if keyword.lower() not in {"host", "include"}:
        return "", []
    try:
        return keyword.lower(), shlex.split(rest.lstrip(" ="), comments=True)
    except ValueError as problem:
        raise InventoryError(f"ssh_config: {problem}: {line.strip()!r}", where=where) from problem


def _settings(path: Path, name: str, where: str) -> dict[str, Any]:
    """Return what OpenSSH would do for a host of a file that it does not read by itself."""
    config = read_config_file(path, name, where)
    if config.host_key_alias:
        raise InventoryError(
            f"HostKeyAlias is supported in {DEFAULT} only",
            where=where,
            hint=f"move the host's stanza to {DEFAULT}",
        )
    keys = [file for file in config.identity_files if Path(file).name not in _KEYS]
    files = [str(file) for file in config.known_hosts if file not in default_known_hosts()]
    if len(files) > 1:
        raise InventoryError(
            f"known_hosts can be one file, not several: {', '.join(files)}",
            where=where,
            hint="name one file as UserKnownHostsFile",
        )
    proxy = jump_command(config.proxy_jump, where, path) if config.proxy_jump else config.proxy_command
    found = {
        "address": config.host if config.host != name else None,
        "port": config.port,
        "user": config.user if config.user != user_name() else None,
        "identity_file": next(iter(keys), None),
        "known_hosts": next(iter(files), None),
        "proxy_command": proxy or None,
    }
    return {name: value for name, value in found.items() if value is not None}
