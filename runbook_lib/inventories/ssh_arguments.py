"""Settings from the arguments that Ansible passes to ssh: jump hosts, ports, keys and known_hosts."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InventoryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["jump_command", "settings_of_arguments"]

# What only concerns how ssh works, not which machine it reaches or how it proves that.
_IGNORED = {
    "compression", "controlmaster", "controlpath", "controlpersist", "loglevel", "serveraliveinterval",
    "serveralivecountmax", "tcpkeepalive", "batchmode", "preferredauthentications", "passwordauthentication",
    "kbdinteractiveauthentication", "pubkeyauthentication", "identitiesonly", "addkeystoagent", "connectionattempts",
}  # fmt: skip
_FLAGS = {"-C", "-q", "-T", "-v", "-4", "-6", "-a", "-x"}
_WITH_VALUE = {"-J": "ProxyJump", "-p": "Port", "-i": "IdentityFile", "-l": "User"}
_SETTINGS = {"port": "port", "user": "user", "identityfile": "identity_file", "proxycommand": "proxy_command"}
# Unknown keys are refused whatever an ssh_config says, and nothing is asked in the middle of a run.
_JUMP_OPTIONS = "-o StrictHostKeyChecking=yes -o BatchMode=yes"
_JUMP = re.compile(r"(?:ssh://)?(?:[\w.+-]+@)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?", re.ASCII)


def settings_of_arguments(text: str, name: str, where: str) -> dict[str, Any]:
    """Return the settings that ssh's arguments stand for; of several values of an option the first counts.

    Args:
        text: The arguments, as a shell reads them.
        name: The variable that has them, for messages.
        where: The host, for messages.

    Raises:
        InventoryError: An argument is not supported.
    """
    found: dict[str, Any] = {}
    for option, value in _options(text, name, where):
        key = option.lower()
        if key in _IGNORED:
            continue
        if key == "proxyjump":
            found.setdefault("proxy_command", jump_command(value, where))
        elif key == "userknownhostsfile" and value != "/dev/null":
            found.setdefault("known_hosts", value)
        elif key == "connecttimeout" and value.isdigit():
            found.setdefault("connect_timeout", float(value))
        elif key == "stricthostkeychecking" and value.lower() in {"yes", "ask"}:
            continue
        elif key in {"stricthostkeychecking", "userknownhostsfile"}:
            raise InventoryError(
                f"{name}: {option}={value}: host keys are always verified",
                where=where,
                hint="remove the option, and add the host's key, once verified, to known_hosts",
            )
        elif key in _SETTINGS:
            found.setdefault(_SETTINGS[key], int(value) if key == "port" and value.isdigit() else value)
        else:
            raise InventoryError(
                f"{name}: ssh's option {option} is not supported",
                where=where,
                hint="put it into ~/.ssh/config, which is read by OpenSSH itself, or leave it out",
            )
    return found


def jump_command(jumps: str, where: str, config: Path | None = None) -> str:
    """Return the command that reaches a host through other hosts, the key of each of which must be known.

    Args:
        jumps: As for `ssh -J`: one or several, separated by commas.
        where: The host, for messages.
        config: The ssh_config that names them, if it is not the user's own.

    Raises:
        InventoryError: It is not a list of hosts.
    """
    hosts = jumps.split(",")
    if not all(_JUMP.fullmatch(host) for host in hosts):
        raise InventoryError(
            f"not a list of hosts to jump through: {jumps!r}", where=where, hint="write user@bastion:port"
        )
    options = f"{_JUMP_OPTIONS} -F {shlex.quote(str(config.absolute()))}" if config else _JUMP_OPTIONS
    command = ""
    for host in hosts:
        # Not -J: to the hosts that it names ssh does not pass its own options on.
        before = f" -o ProxyCommand={shlex.quote(command.replace('%', '%%'))}" if command else ""
        address = host if host.startswith("ssh://") else f"ssh://{host}"
        # Brackets for IPv6 addresses, as OpenSSH has them for -J; in quotes, since a shell would expand them.
        command = f"ssh {options.replace('%', '%%')}{before} -W '[%h]:%p' {address}"
    return command


def _options(text: str, name: str, where: str) -> Iterator[tuple[str, str]]:
    """Yield ssh's options, each with its value, in the form of ssh_config."""
    try:
        words = iter(shlex.split(text))
    except ValueError as problem:
        raise InventoryError(f"{name}: {problem}: {text!r}", where=where) from problem
    for word in words:
        if word in _FLAGS:
            continue
        flag, value = word[:2], word[2:]
        if flag not in {"-o", *_WITH_VALUE}:
            raise InventoryError(
                f"{name}: the argument {word!r} is not supported", where=where, hint="leave it out"
            )
        value = value or next(words, "")
        if flag == "-o":
            option, _, value = re.sub(r"\s*=\s*|\s+", "=", value.strip(), count=1).partition("=")
            yield option, value
        else:
            yield _WITH_VALUE[flag], value
