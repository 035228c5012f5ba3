"""SIGINT and SIGTERM, passed on to every kernel that this process runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.execution.notebook.kernel_process import Kernel

__all__ = ["passed_on"]

_kernels: set[Kernel] = set()  # signals come to a process, so this is one a process


@contextlib.contextmanager
def passed_on(kernel: Kernel | None = None) -> Iterator[None]:
    """Interrupt kernels on SIGINT and SIGTERM while the block runs.

    Python hears signals in its main thread alone. In another thread the kernel is only made known to a block
    that the main thread is in.

    Args:
        kernel: Made known; None: only listen, for kernels of other threads.
    """
    if kernel is not None:
        _kernels.add(kernel)
    numbers = (signal.SIGINT, signal.SIGTERM)
    listens = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, _on_signal) for number in numbers} if listens else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if kernel is not None:
            _kernels.discard(kernel)


def _on_signal(number: int, _frame: object) -> None:
    name = signal.Signals(number).name
    if not _kernels:
        raise KeyboardInterrupt
    for kernel in tuple(_kernels):
        kernel.interrupt(f"{name} received")
