"""The filter in front of standard output and standard error never raises, whatever is behind it."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.printing.standard_streams import FilteredStream, filtered, print_document
from runbook_lib.signal_handlers import surviving_hangup

if TYPE_CHECKING:
    from collections.abc import Callable


def behind(data: io.BytesIO, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(data, encoding=encoding)


def test_text_is_filtered_and_styled_text_keeps_its_styles() -> None:
    data = io.BytesIO()
    stream = FilteredStream(behind(data), 1)
    stream.write("a\x1b[31mb\n::set-output\n")
    stream.styled.write("\x1b[31mred\x1b[0m\n::")
    stream.styled.write("set-output\n")
    stream.flush()
    assert data.getvalue().decode() == "a␛[31mb\n| ::set-output\n\x1b[31mred\x1b[0m\n::| set-output\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-16"])
def test_no_encoding_is_an_error_and_documents_are_utf_8(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", behind(data, encoding))
    with filtered():
        print_document("ö ✓\n")
        sys.stdout.write("✓ 日本 \ud800\n")
    assert data.getvalue().startswith("ö ✓\n".encode())


def test_the_stream_is_left_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = behind(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", found)
    with filtered(), filtered():
        inside: object = sys.stdout
    assert isinstance(inside, FilteredStream)
    assert sys.stdout is found
    assert found.errors == "strict"


def _closed_pipe() -> io.TextIOWrapper:
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w", encoding="utf-8")


def _full_disk() -> io.TextIOWrapper:
    return Path("/dev/full").open("w", encoding="utf-8")


def _closed_file() -> io.TextIOWrapper:
    stream = behind(io.BytesIO())
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (_closed_pipe, ""),
        (_closed_file, ""),
        (_full_disk, "standard output cannot be written: No space left on device"),
        (lambda: None, ""),
    ],
)
def test_what_cannot_be_written_is_dropped(made: Callable[[], io.TextIOWrapper | None], problem: str) -> None:
    behind_it = made()
    stream = FilteredStream(behind_it, 1)
    for _ in range(3):
        stream.write("some text\n" * 10_000)
        stream.flush()
    assert stream.problem == problem
    assert not stream.isatty()
    if behind_it is not None:
        behind_it.close()  # what Python does at its end is not an error either


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_everything() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    text = "some text\n" * 50_000
    received: list[bytes] = []

    def slowly() -> None:
        while piece := os.read(read, 65536):
            received.append(piece)

    reader = threading.Thread(target=slowly)
    with os.fdopen(write, "w", encoding="utf-8") as raw:
        stream = FilteredStream(raw, 1)
        timer = threading.Timer(0.2, reader.start)
        timer.start()
        stream.write(text)
        stream.flush()
    timer.join()
    reader.join()
    os.close(read)
    assert b"".join(received) == text.encode()
    assert not stream.problem


def test_a_signal_handler_may_print_while_something_is_printed() -> None:
    class Interrupting(io.BytesIO):
        def write(self, data: object) -> int:
            if not self.getvalue():
                super().write(data)  # type: ignore[arg-type]
                stream.write("from the handler\n")
                return len(data)  # type: ignore[arg-type]
            return super().write(data)  # type: ignore[arg-type]

    data = Interrupting()
    stream = FilteredStream(io.TextIOWrapper(data, encoding="utf-8", write_through=True), 1)
    stream.write("first\n")
    stream.write("second\n")
    stream.flush()
    assert data.getvalue() == b"first\nfrom the handler\nsecond\n"


def test_sighup_is_survived_unless_it_is_handled_or_ignored_already() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        for handler in (signal.SIG_IGN, lambda *_: None):
            signal.signal(signal.SIGHUP, handler)
            with surviving_hangup():
                assert signal.getsignal(signal.SIGHUP) is handler
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with surviving_hangup():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
