"""Standard output and standard error: all text passes one filter, and a reader that is gone ends nothing.

`install` puts a filter in the place of both streams, so that whatever is printed, logged or raised passes through it.
What the product itself sends to a terminal, such as color, is written to a stream's `styled` side.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

from runbook_lib.printing.visible_text import CommandGuard, for_log, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "FilteredStream",
    "filtered",
    "install",
    "open_standard_descriptors",
    "output_problems",
    "print_document",
    "styled",
]

# A closed pipe, a terminal that hung up, a descriptor that was never open: nobody reads.
_NOBODY_READS = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET, errno.ENXIO, errno.ESHUTDOWN}
_NAMES = {1: "standard output", 2: "standard error"}


class FilteredStream(io.TextIOBase):
    """A standard stream whose text passes the filter, and which never raises.

    Once it cannot be written to, what is written to it is dropped.

    Args:
        stream: The stream behind it; None: Python found none, and nothing is written.
        number: Its file descriptor, for messages.
    """

    def __init__(self, stream: TextIO | None, number: int) -> None:
        self._stream = stream
        self._number = number
        self._guard = CommandGuard()
        self._lock = threading.RLock()
        self._waiting: list[Callable[[], object]] = []
        self._writing = False
        self.problem = ""
        """Why its text was lost although somebody may want it; empty if nobody reads it."""
        self.styled = StyledSide(self)
        self._errors = getattr(stream, "errors", None)
        with contextlib.suppress(AttributeError, OSError, ValueError):
            # Nothing stops because the encoding lacks a character.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.set_blocking(self.fileno(), True)  # otherwise a slow reader would be an error

    def write(self, text: str) -> int:
        """Write text of any origin."""
        shown = visible(text)
        self._when_free(lambda: self._put(self._guard(shown)))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write text whose control sequences are the product's own, and which has passed the filter."""
        self._when_free(lambda: self._put(self._guard(text)))

    def write_document(self, text: str) -> None:
        """Write a document, in UTF-8 whatever the encoding of the stream."""
        shown = for_log(text).encode()
        self._when_free(lambda: self._put(shown))

    def flush(self) -> None:
        """Write what is buffered."""
        self._when_free(lambda: self._attempt(lambda stream: stream.flush()))

    def close(self) -> None:
        """Do nothing: the stream behind belongs to Python."""

    def restore(self) -> None:
        """Leave the stream as it was found."""
        self.flush()
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._stream.reconfigure(errors=self._errors)  # type: ignore[union-attr]

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            OSError: There is none.
        """
        if self._stream is None:
            raise OSError(errno.EBADF, "no such stream")
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether a terminal reads it."""
        return bool(self._attempt(lambda stream: stream.isatty()))

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What happens to characters that the encoding does not have."""
        return "backslashreplace"

    def _when_free(self, action: Callable[[], object]) -> None:
        """Do something now, or after the write that a signal handler has interrupted: Python's streams refuse both."""
        with self._lock:
            self._waiting.append(action)
            if self._writing:
                return
            self._writing = True
            try:
                while self._waiting:
                    self._waiting.pop(0)()
            finally:
                self._writing = False

    def _put(self, text: str | bytes) -> None:
        if isinstance(text, str):
            self._attempt(lambda stream: stream.write(text))
        else:
            self._attempt(lambda stream: _write_bytes(stream, text))

    def _attempt(self, action: Callable[[TextIO], Any]) -> Any:  # noqa: ANN401 - what the action returns
        if self._stream is None:
            return None
        try:
            return action(self._stream)
        except (OSError, ValueError) as problem:  # ValueError: somebody has closed it
            if isinstance(problem, OSError) and problem.errno not in _NOBODY_READS:
                self.problem = f"{_NAMES[self._number]} cannot be written: {problem.strerror or problem}"
            self._discard_from_now_on()
        return None

    def _discard_from_now_on(self) -> None:
        stream, self._stream = self._stream, None
        # What Python still holds, and what child processes write, goes nowhere without an error.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nothing, stream.fileno())  # type: ignore[union-attr]
            os.close(nothing)


class StyledSide(io.TextIOBase):
    """The side of a `FilteredStream` for text that was filtered before the product styled it.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: FilteredStream) -> None:
        self._filtered = stream

    def write(self, text: str) -> int:
        """Write styled text."""
        self._filtered.write_styled(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._filtered.flush()

    def close(self) -> None:
        """Do nothing, as the stream does."""

    def isatty(self) -> bool:
        """Return whether a terminal reads it."""
        return self._filtered.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._filtered.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self._filtered.encoding


def install() -> None:
    """Filter standard output and standard error until this process exits."""
    if not isinstance(sys.stdout, FilteredStream):
        sys.stdout = FilteredStream(sys.stdout, 1)
    if not isinstance(sys.stderr, FilteredStream):
        sys.stderr = FilteredStream(sys.stderr, 2)


@contextlib.contextmanager
def filtered() -> Iterator[None]:
    """Filter standard output and standard error during a `with` block; a block inside another changes nothing."""
    before = sys.stdout, sys.stderr
    install()
    installed = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream, previous in zip(installed, before, strict=True):
            if stream is not previous and isinstance(stream, FilteredStream):
                stream.restore()
        sys.stdout, sys.stderr = before


def styled(stream: TextIO) -> TextIO:
    """Return the side of a standard stream for text that was filtered before it was styled."""
    side: TextIO = stream.styled if isinstance(stream, FilteredStream) else stream  # type: ignore[assignment]
    return side


def print_document(text: str) -> None:
    """Write a document to standard output, in UTF-8: JSON, CSV and XML are read by programs that expect it.

    Args:
        text: The document. It passes the filter as all text does; see `visible_text.in_json` for JSON.
    """
    if isinstance(sys.stdout, FilteredStream):
        sys.stdout.write_document(text)
        sys.stdout.flush()
    elif sys.stdout is not None:
        sys.stdout.write(for_log(text))


def output_problems() -> list[str]:
    """Return what was lost of this process's output and why, after writing what is buffered."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, FilteredStream)]
    for stream in streams:
        stream.flush()
    return [stream.problem for stream in streams if stream.problem]


def open_standard_descriptors() -> None:
    """Open the closed ones of the descriptors 0 to 2 on nothing: no file that is opened later becomes one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free descriptor: this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003


def _write_bytes(stream: TextIO, data: bytes) -> None:
    stream.flush()
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(data.decode())
    else:
        buffer.write(data)
        buffer.flush()
