"""Room for systemd's watches of files: Linux limits how many a user may have, and root's are shared by all hosts."""

from __future__ import annotations

import logging
from pathlib import Path

__all__ = ["make_room"]

_log = logging.getLogger(__name__)
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_PER_HOST = 12
"""A booted host with Docker has 7 to 8; systemd makes more while it boots."""


def make_room(hosts: int, limit: Path = _LIMIT) -> None:
    """Raise the limit on inotify instances if further hosts would exceed it; this machine keeps it until its reboot.

    Without instances a host's systemd does not start its services, and only the console says why ("Too many open
    files"). Debian's default, 128, suffices for about 18 hosts on the machine, in all labs together.

    Args:
        hosts: Number of hosts about to start.
        limit: The kernel's file with the limit.
    """
    allowed = int(limit.read_text(encoding="ascii"))
    needed = _used() + hosts * _PER_HOST
    if needed <= allowed:
        return
    raised = max(2 * allowed, needed)
    try:
        limit.write_text(f"{raised}\n", encoding="ascii")
    except OSError as problem:
        _log.warning(
            "%d practice hosts need about %d inotify instances, and fs.inotify.max_user_instances allows %d: %s",
            hosts,
            needed,
            allowed,
            problem,
        )
        return
    _log.info(
        "fs.inotify.max_user_instances was raised from %d to %d for %d more hosts", allowed, raised, hosts
    )


def _used() -> int:
    """Return how many inotify instances the processes of root have."""
    used = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == 0:
                used += sum(_is_inotify(descriptor) for descriptor in (process / "fd").iterdir())
        except OSError:  # it has exited
            continue
    return used


def _is_inotify(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()) == "anon_inode:inotify"
    except OSError:
        return False
