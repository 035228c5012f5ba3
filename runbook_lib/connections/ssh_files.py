"""The files that OpenSSH reads for a user: where they are, and which of those that ssh_config names exist."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from runbook_lib.project import expanded

__all__ = ["at_home", "default_known_hosts", "existing", "paths"]

_SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


def default_known_hosts() -> tuple[Path, ...]:
    """Return the files with known host keys that OpenSSH reads if no ssh_config names others, the user's first."""
    folder = expanded("~/.ssh")
    return folder / "known_hosts", folder / "known_hosts2", *map(Path, _SYSTEM_KNOWN_HOSTS)


def paths(text: str) -> list[Path]:
    """Return the files of a list that `ssh -G` prints without quotes: a name that exists as a whole is one file."""
    if Path(at_home(text)).exists():
        return [Path(at_home(text))] if text else []
    found, words = [], text.split(" ")
    while words:
        joined = (size for size in range(len(words), 0, -1) if Path(at_home(" ".join(words[:size]))).exists())
        size = next(joined, 1)
        found.append(Path(at_home(" ".join(words[:size]))))
        words = words[size:]
    return [path for path in found if path.name not in {"", "none"}]


def at_home(path: str) -> str:
    """Return a path in the home directory that HOME names, where ssh means the one of the password database."""
    home, own = os.environ.get("HOME"), _home_of_user()
    if home and own and home != own and path.startswith(f"{own}/.ssh/"):
        return home + path.removeprefix(own)
    return str(expanded(path)) if path.startswith("~") else path


def _home_of_user() -> str:
    """Return the home directory of the password database; empty for a user without an entry, as in some containers."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def existing(files: list[str]) -> tuple[str, ...]:
    """Return the files that exist: as OpenSSH does, ignore an IdentityFile that does not."""
    return tuple(file for file in map(at_home, files) if file != "none" and Path(file).exists())
