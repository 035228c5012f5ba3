from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.connections.conftest import server, session_server
from tests.runbook.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ipython_kernel import Kernel

__all__ = ["desk", "server", "session_server"]


@pytest.fixture
def desk(kernel: Kernel, tmp_path: Path) -> Desk:
    return Desk(kernel, tmp_path)


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Forget a run that a test could not close, and with it the lock that it holds on this machine."""
    yield
    gc.collect()
