"""Identify processes of this machine by PID, start time and boot, because a PID alone is reused."""

from __future__ import annotations

from pathlib import Path

__all__ = ["boot_id", "start_ticks"]

_START = 19  # index of the start time among the fields after the name in /proc/PID/stat


def start_ticks(pid: int) -> int:
    """Return when a running process started, in clock ticks since boot; 0 if there is no such process."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The process name before these fields may contain spaces and parentheses.
    fields = line.rpartition(") ")[2].split()
    return 0 if fields[0] in {"Z", "X"} else int(fields[_START])


def boot_id() -> str:
    """Return the id of this machine's current boot; empty if the kernel does not provide one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
