"""What a kernel and its child processes print past the notebook: it passes the filter, and always finds a reader.

ipykernel copies the output of child processes to the descriptors that it was started with. Were these the terminal's, a
cell could send it control sequences; were they a pipe whose reader has gone, ipykernel would stop capturing output.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import sys
import threading
from typing import Self

from runbook_lib.printing.visible_text import CommandGuard, visible

__all__ = ["KernelOutput"]

_PIECE = 65536  # bytes
# jupyter_client interrupts each kernel before it asks it to exit; this says only that it noticed.
_NOISE = "[IPKernelApp] ERROR | KeyboardInterrupt caught in kernel.\n"
_REST = 1.0  # seconds for the last output after the kernel's exit


class KernelOutput:
    """Pipes for a kernel's standard output and standard error, copied to this process's own; for a `with` block."""

    def __init__(self) -> None:
        self._reading: dict[int, str] = {}
        self._writing: dict[str, int] = {}
        for name in ("stdout", "stderr"):
            read, self._writing[name] = os.pipe()
            self._reading[read] = name
        self._thread = threading.Thread(target=self._copy, name="kernel-output", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._writing.values():
            os.close(descriptor)
        # A process that a cell has left running may hold them open.
        self._thread.join(_REST)

    @property
    def descriptors(self) -> dict[str, int]:
        """The ends to write to, as `subprocess.Popen` names them."""
        return dict(self._writing)

    def _copy(self) -> None:
        decoders = {source: codecs.getincrementaldecoder("utf-8")("replace") for source in self._reading}
        guards = {source: CommandGuard() for source in self._reading}
        with selectors.DefaultSelector() as selector:
            for source in self._reading:
                selector.register(source, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    piece = os.read(key.fd, _PIECE)
                    text = guards[key.fd](visible(decoders[key.fd].decode(piece, final=not piece)))
                    _print(self._reading[key.fd], text.replace(_NOISE, ""))
                    if not piece:
                        selector.unregister(key.fd)
                        os.close(key.fd)


def _print(name: str, text: str) -> None:
    stream = getattr(sys, name)
    with contextlib.suppress(OSError, ValueError):  # nobody reads it, and the kernel must not notice
        if stream is not None and text:
            stream.write(text)
            stream.flush()
