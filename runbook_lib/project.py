"""The project a command runs in, and the operator who runs it."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

__all__ = ["operator", "project_top"]


def project_top() -> Path:
    """Return the nearest directory, from the current one upwards, with a `notebooks` folder; else the current one."""
    for base in (Path.cwd(), *Path.cwd().parents):
        if (base / "notebooks").is_dir():
            return base
    return Path.cwd()


def operator() -> str:
    """Return the user who runs this process, as `alice as root` under sudo."""
    user = getpass.getuser()
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {user}" if behind and behind != user else user
