"""The peers' own environment, created once in a cache directory from `peers/requirements.txt`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["programs"]

_PINNED = Path(__file__).parent / "peers" / "requirements.txt"


def programs() -> Path:
    """Return the environment's `bin` directory; the first time this takes a minute."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "runbook" / "benchmarks"
    wanted = hashlib.sha256(_PINNED.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = cache / wanted
    ready = place / "ready"
    if not ready.exists():
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([place / "bin" / "pip", "install", "--quiet", "--requirement", _PINNED], check=True)
        ready.touch()
    return place / "bin"
