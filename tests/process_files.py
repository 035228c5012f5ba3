"""Files in /proc of processes that may exit while they are read."""

from __future__ import annotations

from pathlib import Path

__all__ = ["process_file"]


def process_file(pid: int, name: str) -> str:
    """Return what a file of a process contains, such as `comm`; empty if the process has exited."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
