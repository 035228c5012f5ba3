"""Processes of this machine, named so that a number used again is not taken for the same process."""

from __future__ import annotations

from pathlib import Path

__all__ = ["boot_id", "start_ticks"]

_START = 19  # place of the start time after the name, in /proc/PID/stat


def start_ticks(pid: int) -> int:
    """Return when a living process began, in clock ticks since the machine's boot; 0 where there is none."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name before may hold spaces and brackets.
    fields = line.rpartition(") ")[2].split()
    return 0 if fields[0] in {"Z", "X"} else int(fields[_START])


def boot_id() -> str:
    """Return the id of this machine's boot; empty where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
