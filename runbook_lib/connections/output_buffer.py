"""Command output: kept in memory up to a limit, and written to a spool beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

__all__ = ["MAX_BUFFERED_BYTES", "OpenSpool", "OutputBuffer", "Spool", "StreamName"]

MAX_BUFFERED_BYTES = 16 * 2**20
"""Maximum size of one output stream in memory."""

StreamName = Literal["stdout", "stderr"]


class Spool(Protocol):
    """Destination of a stream that does not fit in memory."""

    def write(self, piece: bytes) -> None:
        """Write the next bytes, from the beginning of the stream on."""


OpenSpool = Callable[[StreamName], Spool]
"""Opens the spool of a stream, once the stream turns out not to fit in memory."""


class OutputBuffer:
    """One output stream of a command.

    Args:
        name: Which stream.
        open_spool: Opens its spool; None: everything is kept in memory.
    """

    def __init__(self, name: StreamName, open_spool: OpenSpool | None) -> None:
        self._name = name
        self._open_spool = open_spool
        self._kept = bytearray()
        self._spool: Spool | None = None

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        if self._spool is not None:
            self._spool.write(piece)
        elif self._open_spool is None or len(self._kept) + len(piece) <= MAX_BUFFERED_BYTES:
            self._kept += piece
        else:
            self._spool = self._open_spool(self._name)
            self._spool.write(bytes(self._kept))
            self._spool.write(piece)

    @property
    def truncated(self) -> bool:
        """Whether the stream was larger than what is kept in memory."""
        return self._spool is not None

    @property
    def text(self) -> str:
        """The text kept in memory."""
        return self._kept.decode(errors="replace")
