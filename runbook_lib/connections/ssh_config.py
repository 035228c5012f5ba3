"""ssh_config, read by OpenSSH itself: `ssh -G` prints what it would do for a host.

So Include, Host, Match, quoting and the order of files are exactly OpenSSH's. An option that matters for which machine
is reached or how it is proven, and that is not supported here, is refused by name.
"""

from __future__ import annotations

import dataclasses
import getpass
import glob
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.connections.ssh_files import at_home, default_known_hosts, existing, paths
from runbook_lib.errors import InventoryError
from runbook_lib.project import expanded, user_name

__all__ = ["SshConfig", "read_config_file", "read_ssh_config"]

_SYSTEM = Path("/etc/ssh/ssh_config")
_KEYS = ("id_rsa", "id_ecdsa", "id_ed25519")
_PORT = 22
_TIMEOUT = 30.0  # seconds; a `Match exec` may take some
_AGENT = ("SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", "${SSH_AUTH_SOCK}")
# Options that concern neither where a host is, nor how it is reached, nor who it and the user are.
_WITHOUT_EFFECT = re.compile(
    rb"host\s+\*|sendenv\s+[\w*? ]+|(hashknownhosts|gssapiauthentication|gssapidelegatecredentials)\s+(yes|no)",
    re.IGNORECASE,
)
_INCLUDE = re.compile(rb"include\s+(/[\w./*-]+)", re.IGNORECASE)
_SPECIAL = re.compile(r'[*?\[\\"]')  # in the path of an Include
_MOST_INCLUDES = 8  # in each other; OpenSSH refuses more than 16
_UNSUPPORTED = {
    "revokedhostkeys": ("RevokedHostKeys", "mark revoked keys with @revoked in known_hosts"),
    "knownhostscommand": ("KnownHostsCommand", "add the host's key to known_hosts"),
    "bindinterface": ("BindInterface", "set BindAddress to the interface's address"),
    "proxyusefdpass": ("ProxyUseFdpass", "use a ProxyCommand that passes the data on"),
}


@dataclass(frozen=True)
class SshConfig:
    """What OpenSSH would do to connect to a host.

    Args:
        name: The host as it was asked for.
        host: The name or address to connect to (`HostName`).
        port: Its port.
        user: The user that logs in.
        identity_files: Private keys that exist, in the order in which they are tried.
        identities_only: Whether no other key of ssh-agent is tried.
        agent: Whether ssh-agent is used at all.
        known_hosts: Files with known host keys, the user's first.
        host_key_alias: The name of the host in those files; empty: its address, with the port unless it is 22.
        proxy_jump: Bastions, separated by commas; empty: none.
        proxy_command: The command whose standard input and output are the connection; empty: none.
        address_family: `any`, `inet` or `inet6`: which addresses of the host are tried.
        bind_address: The address of this machine to connect from; empty: any.
    """

    name: str
    host: str
    port: int
    user: str
    identity_files: tuple[str, ...] = ()
    identities_only: bool = False
    agent: bool = True
    known_hosts: tuple[Path, ...] = ()
    host_key_alias: str = ""
    proxy_jump: str = ""
    proxy_command: str = ""
    address_family: str = "any"
    bind_address: str = ""

    def expand(self, text: str, place: str, *, allowed: str = "hnpr") -> str:
        """Return a text with OpenSSH's tokens (ssh_config(5), TOKENS) replaced.

        Args:
            text: As `ssh -W %h:%p bastion`.
            place: The host, for messages.
            allowed: The tokens' letters; `%%` is always one.

        Raises:
            InventoryError: It contains another token.
        """
        known = {
            "%": "%",
            "d": str(Path.home()),
            "h": self.host,
            "i": str(os.getuid()),
            "k": self.host_key_alias or self.host,
            "L": socket.gethostname().partition(".")[0],
            "n": self.name,
            "p": str(self.port),
            "r": self.user,
            "u": user_name(),
        }
        unknown = [
            token
            for token in re.findall("%(.?)", text, re.DOTALL)
            if token not in known or token not in {"%", *allowed}
        ]
        if unknown:
            raise InventoryError(
                f"unknown token %{unknown[0]} in {text!r}",
                where=place,
                hint=f"the tokens here are %%, {', '.join(f'%{letter}' for letter in allowed)}",
            )
        return re.sub("%(.)", lambda token: known[token[1]], text)


def read_ssh_config(target: str, place: str, user: str | None = None, port: int | None = None) -> SshConfig:
    """Return what the user's and the machine's ssh_config say of a host.

    Args:
        target: The host's name or address.
        place: The host, for messages.
        user: The user, if the inventory names one.
        port: The port, if the inventory names one.

    Raises:
        InventoryError: ssh_config is malformed, or has an option that is not supported; or there is one, and no `ssh`
            to read it.
    """
    files = [path for path in (expanded("~/.ssh/config"), _SYSTEM) if _has_settings(path, place)]
    if not files:
        return SshConfig(
            target,
            target,
            port or _PORT,
            user or _own_name(place),
            identity_files=existing([f"~/.ssh/{name}" for name in _KEYS]),
            known_hosts=default_known_hosts(),
        )
    return _from_options(_options(_ask_openssh(files, target, place, user, port)), target, place)


def read_config_file(path: Path, target: str, place: str) -> SshConfig:
    """Return what one file says of a host, in the format of ssh_config, whatever the user's own says.

    Args:
        path: The file.
        target: The host's name.
        place: The host, for messages.

    Raises:
        InventoryError: As `read_ssh_config`.
    """
    return _from_options(_options(_ask_openssh([path.absolute()], target, place, None, None)), target, place)


def _options(printed: str) -> dict[str, list[str]]:
    """Return what `ssh -G` printed, by keyword."""
    options: dict[str, list[str]] = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key.lower(), []).append(value)
    return options


def _from_options(options: dict[str, list[str]], target: str, place: str) -> SshConfig:
    def text(key: str) -> str:
        return next(iter(options.get(key, ())), "")

    def value(key: str) -> str:
        return "" if text(key).lower() == "none" else text(key)

    for key, (name, hint) in _UNSUPPORTED.items():
        if value(key) not in {"", "no"}:
            raise InventoryError(f"ssh_config: {name} is not supported: {value(key)}", where=place, hint=hint)
    agent = next(iter(options.get("identityagent", ())), _AGENT[0])
    if agent not in {*_AGENT, "none", os.environ.get("SSH_AUTH_SOCK", "")}:
        raise InventoryError(
            f"ssh_config: IdentityAgent is not supported: {agent}",
            where=place,
            hint=f"set the environment variable SSH_AUTH_SOCK to {agent}",
        )
    config = SshConfig(
        target,
        text("hostname") or target,  # a host, or a user, may be called `none`
        int(value("port") or _PORT),
        text("user"),
        identities_only=value("identitiesonly") == "yes",
        agent=agent != "none",
        host_key_alias=value("hostkeyalias"),
        proxy_jump=value("proxyjump"),
        proxy_command=value("proxycommand"),
        address_family=value("addressfamily") or "any",
        bind_address=value("bindaddress"),
        known_hosts=tuple(
            path for key in ("userknownhostsfile", "globalknownhostsfile") for path in paths(value(key))
        ),
    )
    identities = [config.expand(at_home(file), place, allowed="dhiLnpru") for file in options["identityfile"]]
    return dataclasses.replace(config, identity_files=existing(identities))


def _ask_openssh(files: list[Path], target: str, place: str, user: str | None, port: int | None) -> str:
    ssh = shutil.which("ssh")
    if ssh is None:
        raise InventoryError(
            f"{' and '.join(map(str, files))} cannot be read: the program ssh is not installed",
            where=place,
            hint="install openssh-client",
        )
    given = [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
    # ssh takes the home directory from the password database; HOME may be another one, as in a CI job.
    for path in files:
        if special := _SPECIAL.search(str(path)):
            # OpenSSH says nothing if an Include matches no file: HostName and User would be missing without a word.
            raise InventoryError(
                f"ssh_config cannot be read: OpenSSH takes {special[0]} in {path} for a part of a pattern",
                where=place,
                hint=f"rename the folder or the file, to a name without {special[0]}",
            )
    includes = "".join(f'Include "{path}"\n' for path in files)
    descriptor = os.memfd_create("ssh_config")
    try:
        os.write(descriptor, includes.encode())
        done = subprocess.run(
            [ssh, "-T", "-G", "-F", "/proc/self/fd/0", *given, "--", target],
            stdin=descriptor,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise InventoryError(
            f"ssh_config was not read in {_TIMEOUT:.0f} s",
            where=place,
            hint="look for a `Match exec` whose command hangs",
        ) from slow
    finally:
        os.close(descriptor)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        problems = [line.strip() for line in lines if ": terminating, " not in line]
        raise InventoryError(
            f"ssh_config cannot be used: {'; '.join(problems) or f'exit code {done.returncode}'}",
            where=place,
            hint=f"see `ssh -G {target}`; fix {' or '.join(map(str, files))}",
        )
    return done.stdout.decode(errors="surrogateescape")


def _has_settings(path: Path, place: str, *, depth: int = 0) -> bool:
    """Return whether a file says anything that matters here: without it, no `ssh` is needed, one process per host.

    Debian's own file includes a folder that is empty at first, and says nothing else that matters.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise InventoryError(
            f"ssh_config cannot be used: {problem}", where=place, hint=f"check the owner and mode of {path}"
        ) from problem
    for line in map(bytes.strip, lines):
        if not line or line.startswith(b"#") or _WITHOUT_EFFECT.fullmatch(line):
            continue
        included = _INCLUDE.fullmatch(line)
        if not included or depth >= _MOST_INCLUDES:
            return True
        files = map(Path, glob.glob(os.fsdecode(included[1])))  # noqa: PTH207 - pathlib has no absolute patterns
        if any(_has_settings(file, place, depth=depth + 1) for file in files):
            return True
    return False


def _own_name(place: str) -> str:
    """Return the user to log in as if nothing names one: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as nameless:
        raise InventoryError(
            f"no user to log in as: uid {os.getuid()} of this machine has no name",
            where=place,
            hint="set `user` of the host in the inventory",
        ) from nameless
