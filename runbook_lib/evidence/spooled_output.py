"""A command's output that does not fit in memory: masked, to disk as it comes, with its head and tail kept."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from runbook_lib.model.records import StreamRecord

if TYPE_CHECKING:
    from runbook_lib.connections.output_buffer import StreamName
    from runbook_lib.evidence.output_store import OutputStore
    from runbook_lib.secrets import Secrets

__all__ = ["HEAD", "TAIL", "SpooledOutput", "SpooledOutputs"]

HEAD = 4096
"""Characters of an output that a record holds from its beginning."""
TAIL = 4096
"""Characters of an output that a record holds from its end."""


class SpooledOutput:
    """One stream on its way to disk."""

    def __init__(self, store: OutputStore, secrets: Secrets) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._masker = secrets.masker()
        self._file = store.open()
        self._head = self._tail = ""

    def write(self, piece: bytes) -> None:
        """Take the stream's next bytes.

        Raises:
            EvidenceError: They cannot be written.
        """
        self._take(self._masker.feed(self._decoder.decode(piece)))

    def record(self) -> StreamRecord:
        """End the stream and return what is told of it."""
        self._take(self._masker.feed(self._decoder.decode(b"", final=True)) + self._masker.end())
        size = self._file.size
        return StreamRecord(
            head=self._head, tail=self._tail, size=size, sha256=self._file.close(), complete=False
        )

    def discard(self) -> None:
        """Take away what was written."""
        self._file.discard()

    def _take(self, text: str) -> None:
        self._file.write(text.encode())
        self._head += text[: HEAD - len(self._head)]
        self._tail = (self._tail + text[-TAIL:])[-TAIL:]


class SpooledOutputs:
    """The streams of one command that do not fit."""

    def __init__(self, store: OutputStore, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets
        self._open: dict[StreamName, SpooledOutput] = {}

    def open(self, name: StreamName) -> SpooledOutput:
        """Begin a stream; called by the connection."""
        self._open[name] = SpooledOutput(self._store, self._secrets)
        return self._open[name]

    def records(self) -> dict[StreamName, StreamRecord]:
        """End all streams and return what is told of each."""
        return {name: self._open.pop(name).record() for name in list(self._open)}

    def discard(self) -> None:
        """Take away what was written of all that were not ended."""
        while self._open:
            self._open.popitem()[1].discard()
