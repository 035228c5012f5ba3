from __future__ import annotations

from tests.connections.conftest import server, session_server

__all__ = ["server", "session_server"]
