"""A handler is in force in the block, and the previous one after it."""

from __future__ import annotations

import os
import signal

import pytest

from runbook_lib.signal_handlers import signal_handler


def test_signals_are_handled_in_the_block_and_as_before_after_it() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)]
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        received.append(number)

    with signal_handler(on_signal, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
    assert received == [signal.SIGUSR1, signal.SIGUSR2]
    assert [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)] == before


def test_handlers_are_restored_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), signal_handler(signal.SIG_IGN, signal.SIGINT):
        assert 1 // 0
    assert signal.getsignal(signal.SIGINT) is before
