"""HTTP adapter for the docker SDK over a byte stream that is opened for every query, bounded in time and in bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import requests.exceptions
import urllib3.connection
import urllib3.connectionpool
from docker.transport.basehttpadapter import BaseHTTPAdapter

from runbook_lib.connections.output_buffer import MAX_BUFFERED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.command_wait import CommandWait
    from runbook_lib.connections.output_budget import OutputLimit

__all__ = ["Adapter", "BoundedStream"]

_POLL = 0.1  # seconds between checks of the clock and of an interrupt
_PIECE = 65536  # bytes sent at a time


class BoundedStream:
    """A stream to an engine that gives up when a wait is over, or when the answer is too large.

    Args:
        stream: A socket, or a channel that stands in for one.
        wait: When to give up.
        limit: Counts what arrives.
    """

    def __init__(self, stream: Any, wait: CommandWait, limit: OutputLimit) -> None:  # noqa: ANN401 - see above
        self._stream = stream
        self._wait = wait
        self._limit = limit
        stream.settimeout(_POLL)

    def sendall(self, data: bytes) -> None:
        """Send a request."""
        left = bytes(data)
        while left:
            self._stop_when_over()
            try:
                left = left[self._stream.send(left[:_PIECE]) :]
            except TimeoutError:
                continue

    def receive(self, size: int) -> bytes:
        """Return the next bytes of the answer; empty at its end.

        Raises:
            TimeoutError: The wait is over.
            OSError: The answer is too large.
        """
        while True:
            self._stop_when_over()
            try:
                piece: bytes = self._stream.recv(min(size, _PIECE))
            except TimeoutError:
                continue
            accepted = self._limit.accept("answer", piece, MAX_BUFFERED_BYTES)
            if self._limit.cut:
                raise OSError(self._limit.cut)
            return accepted

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """Return the answer as a file, as a socket does."""
        return io.BufferedReader(_Answer(self))

    def settimeout(self, _seconds: float | None) -> None:
        """Ignore the SDK's timeout, which is for each piece of the answer: the wait is for all of it."""

    def shutdown(self, _how: int) -> None:
        """Do nothing; see `close`."""

    def close(self) -> None:
        """Do nothing: the answer may still be read; `DockerApi` closes the stream itself."""

    def _stop_when_over(self) -> None:
        if self._wait.expired():
            raise TimeoutError(self._wait.silence)


class _Answer(io.RawIOBase):
    def __init__(self, stream: BoundedStream) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer; its type is not in Python 3.11
        piece = self._stream.receive(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Stream(urllib3.connection.HTTPConnection):
    def __init__(self, dial: Callable[[], Any]) -> None:
        super().__init__("localhost")
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial()


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, dial: Callable[[], Any]) -> None:
        super().__init__("localhost", maxsize=1)
        self._dial = dial

    def _new_conn(self) -> _Stream:
        return _Stream(self._dial)

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - urllib3's signature
        # urllib3 would probe a used connection with select(), which a channel does not support.
        return self._new_conn()


class Adapter(BaseHTTPAdapter):
    """Transport adapter to one engine, mounted on the SDK's client.

    Args:
        dial: Opens a socket-like stream; called for every query.
    """

    def __init__(self, dial: Callable[[], Any]) -> None:
        super().__init__()
        self._pool = _Pool(dial)

    def get_connection(self, url: str | bytes, proxies: object = None) -> _Pool:  # noqa: ARG002 - requests' signature
        """Return the connection pool of this adapter's engine for any URL."""
        return self._pool

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' signature
        """Send a request; an answer that would grow while it is decoded, or leads elsewhere, is refused."""
        request.headers["Accept-Encoding"] = "identity"
        response = super().send(request, *args, **options)
        if response.is_redirect or "Content-Encoding" in response.headers:
            raise requests.exceptions.InvalidHeader("a redirect, or a compressed answer")
        return response
