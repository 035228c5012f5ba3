"""Command output too large for memory: masked and written to disk as it arrives; head and tail are kept."""

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
"""Number of characters from the beginning of an output that a record contains."""
TAIL = 4096
"""Number of characters from the end of an output that a record contains."""


class SpooledOutput:
    """One output stream being written to disk."""

    def __init__(self, store: OutputStore, secrets: Secrets) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._masker = secrets.masker()
        self._file = store.open()
        self._head = self._tail = ""

    def write(self, piece: bytes) -> None:
        """Write the stream's next bytes.

        Raises:
            EvidenceError: The bytes cannot be written.
        """
        self._write_masked(self._masker.feed(self._decoder.decode(piece)))

    def record(self, *, cut_off: bool) -> StreamRecord:
        """Complete the stream and return its record.

        Args:
            cut_off: Its command was ended, so it may end inside of a secret value.
        """
        last = self._masker.feed(self._decoder.decode(b"", final=True))
        self._write_masked(last + self._masker.end(cut_off=cut_off))
        size = self._file.size
        return StreamRecord(
            head=self._head, tail=self._tail, size=size, sha256=self._file.close(), complete=False
        )

    def discard(self) -> None:
        """Remove the partial file."""
        self._file.discard()

    def _write_masked(self, text: str) -> None:
        self._file.write(text.encode())
        self._head += text[: HEAD - len(self._head)]
        self._tail = (self._tail + text[-TAIL:])[-TAIL:]


class SpooledOutputs:
    """The spooled output streams of one command."""

    def __init__(self, store: OutputStore, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets
        self._open: dict[StreamName, SpooledOutput] = {}

    def open(self, name: StreamName) -> SpooledOutput:
        """Start a stream; called by the connection."""
        self._open[name] = SpooledOutput(self._store, self._secrets)
        return self._open[name]

    def records(self, *, cut_off: bool) -> dict[StreamName, StreamRecord]:
        """Complete all streams and return their records.

        Args:
            cut_off: The command was ended, so a stream may end inside of a secret value.
        """
        return {name: self._open.pop(name).record(cut_off=cut_off) for name in list(self._open)}

    def discard(self) -> None:
        """Remove the partial files of all incomplete streams."""
        while self._open:
            self._open.popitem()[1].discard()
