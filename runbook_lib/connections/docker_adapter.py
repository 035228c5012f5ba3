"""HTTP adapter for the docker SDK over a byte stream that is opened for every query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3.connection
import urllib3.connectionpool
from docker.transport.basehttpadapter import BaseHTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Adapter"]


class _Stream(urllib3.connection.HTTPConnection):
    def __init__(self, dial: Callable[[], Any], timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, dial: Callable[[], Any], timeout: float) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=1)
        self._dial = dial
        self._seconds = timeout

    def _new_conn(self) -> _Stream:
        return _Stream(self._dial, self._seconds)

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - urllib3's signature
        # urllib3 would probe a used connection with select(), which a channel does not support.
        return self._new_conn()


class Adapter(BaseHTTPAdapter):
    """Transport adapter to one engine, mounted on the SDK's client.

    Args:
        dial: Opens a socket-like stream; called for every query.
        timeout: Seconds.
    """

    def __init__(self, dial: Callable[[], Any], timeout: float) -> None:
        super().__init__()
        self._pool = _Pool(dial, timeout)

    def get_connection(self, url: str | bytes, proxies: object = None) -> _Pool:  # noqa: ARG002 - requests' signature
        """Return the connection pool of this adapter's engine for any URL."""
        return self._pool
