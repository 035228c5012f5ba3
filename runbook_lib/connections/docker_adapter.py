"""HTTP over a byte stream that is opened for each question, as the docker SDK wants it."""

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
        # A used channel cannot be probed with select as urllib3 would; each question gets its own.
        return self._new_conn()


class Adapter(BaseHTTPAdapter):
    """A way to one engine, mounted on the SDK's client.

    Args:
        dial: Opens a stream (socket-like); called for every question.
        timeout: Seconds.
    """

    def __init__(self, dial: Callable[[], Any], timeout: float) -> None:
        super().__init__()
        self._pool = _Pool(dial, timeout)

    def get_connection(self, url: str | bytes, proxies: object = None) -> _Pool:  # noqa: ARG002 - requests' signature
        """Return the pool of this adapter's engine, whatever the address."""
        return self._pool
