"""Temporary directories whose path is short enough for Unix sockets."""

from __future__ import annotations

import os
import tempfile

from runbook_lib.owned_directory import OwnedDirectory

__all__ = ["socket_directory"]

_SOCKET_PATH = 107  # characters that Linux allows in a socket's path
_INSIDE = 24  # of these, for the directory's own random characters and the socket's name


def socket_directory(prefix: str) -> OwnedDirectory:
    """Create a temporary directory for sockets: in TMPDIR, or in a shorter place where TMPDIR is too long for them.

    A job of a CI server often has a TMPDIR of its own, deep in its workspace.

    Args:
        prefix: Begins the directory's name.

    Raises:
        OSError: No such directory can be created.
    """
    usual = tempfile.gettempdir()
    places = [usual, os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp"]  # noqa: S108 - mkdtemp in them
    fitting = [
        place for place in places if place and len(os.fsencode(f"{place}/{prefix}")) + _INSIDE <= _SOCKET_PATH
    ]
    usable = (place for place in fitting if os.access(place, os.W_OK | os.X_OK))
    return OwnedDirectory(prefix, next(usable, usual))
