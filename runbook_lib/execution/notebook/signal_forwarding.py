"""SIGINT and SIGTERM, forwarded to every kernel that this process runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from runbook_lib.signal_handlers import STOP_SIGNALS, signal_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["forward_signals"]

_kernels: set[Kernel] = set()  # signals reach a process, so there is one set per process


@contextlib.contextmanager
def forward_signals(kernel: Kernel) -> Iterator[None]:
    """Interrupt kernels on SIGINT and SIGTERM while the block runs.

    Python handles signals in its main thread alone. In another thread this only registers the kernel with a block
    that the main thread is in.

    Args:
        kernel: Interrupted, like all kernels that are registered.
    """
    registers = kernel not in _kernels  # one block inside another leaves the kernel to the outer one
    _kernels.add(kernel)
    in_main_thread = threading.current_thread() is threading.main_thread()
    try:
        with signal_handler(_on_signal, *(STOP_SIGNALS if in_main_thread else ())):
            yield
    finally:
        if registers:
            _kernels.discard(kernel)


def _on_signal(number: int, _frame: object) -> None:
    name = signal.Signals(number).name
    if not _kernels:
        raise KeyboardInterrupt
    for kernel in tuple(_kernels):
        kernel.interrupt(f"{name} received")
