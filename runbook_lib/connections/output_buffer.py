"""What a command says, kept in memory up to a bound, and past it handed on as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

__all__ = ["MAX_BUFFERED_BYTES", "OpenSpool", "OutputBuffer", "Sink", "StreamName"]

MAX_BUFFERED_BYTES = 16 * 2**20
"""Bytes of one output stream that are held in memory."""

StreamName = Literal["stdout", "stderr"]


class Sink(Protocol):
    """Where a stream goes that does not fit in memory."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes; the first are the stream's beginning."""


OpenSpool = Callable[[StreamName], Sink]
"""Opens the sink of a stream, once it is known not to fit."""


class OutputBuffer:
    """One output stream.

    Args:
        name: Which.
        open_spool: Opens its sink; None: everything is held in memory.
    """

    def __init__(self, name: StreamName, open_spool: OpenSpool | None) -> None:
        self._name = name
        self._open_spool = open_spool
        self._kept = bytearray()
        self._sink: Sink | None = None

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        if self._sink is not None:
            self._sink.write(piece)
        elif self._open_spool is None or len(self._kept) + len(piece) <= MAX_BUFFERED_BYTES:
            self._kept += piece
        else:
            self._sink = self._open_spool(self._name)
            self._sink.write(bytes(self._kept))
            self._sink.write(piece)

    @property
    def truncated(self) -> bool:
        """Whether more came than is kept."""
        return self._sink is not None

    @property
    def text(self) -> str:
        """What is kept."""
        return self._kept.decode(errors="replace")
