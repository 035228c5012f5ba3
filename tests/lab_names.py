"""Names of the tests' labs: each process of each session has labs of its own, all up side by side."""

from __future__ import annotations

import os

__all__ = ["lab_name"]


def lab_name(purpose: str) -> str:
    """Return a name that no other process's lab has; the same whenever this process asks."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid():x}")[:6]
    return "-".join(filter(None, ("test", purpose, session, os.environ.get("PYTEST_XDIST_WORKER", ""))))
