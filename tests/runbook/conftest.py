from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.connections.conftest import server, session_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server", "session_server"]


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Forget a run that a test could not close, and with it the lock that it holds on this machine."""
    yield
    gc.collect()
