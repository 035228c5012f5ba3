"""Ask git about a repository that may be hostile: git reads objects, and runs and fetches nothing.

A repository's own configuration can name programs: hooks, a file-system monitor, and remote helpers, which a partial
clone starts as soon as an object is missing. git before 2.45 does not know GIT_NO_LAZY_FETCH, so every protocol is
forbidden as well, in the one way that the repository's configuration cannot take back.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["git_output"]

_PROTOCOLS = ("ext", "fd", "file", "ftp", "ftps", "git", "http", "https", "ssh")
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.askPass=false",
    "credential.helper=",
    "protocol.allow=never",
    *(f"protocol.{name}.allow=never" for name in _PROTOCOLS),
)
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # unlike the settings, it also forbids protocols that are not named above
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}


def git_output(
    top: Path, *arguments: str, timeout: float, given: bytes = b"", any_owner: bool = False
) -> bytes | None:
    """Return what a git command prints; None if it fails, is too slow, or git is not installed.

    Variables of the environment that point git elsewhere are left out.

    Args:
        top: A directory in the repository.
        arguments: The command and its arguments.
        timeout: Seconds.
        given: Its standard input.
        any_owner: Whether a repository that belongs to another user is read as well.
    """
    settings = (*_SETTINGS, *(("safe.directory=*",) if any_owner else ()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [
                "git",
                *(part for setting in settings for part in ("-c", setting)),
                "-C",
                str(top),
                "--no-pager",
                *arguments,
            ],
            input=given,
            capture_output=True,
            env={**kept, **_ENVIRONMENT},
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
