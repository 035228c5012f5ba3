"""A handler is in force in the block, and the previous one after it."""

from __future__ import annotations

import os
import signal

import pytest

from runbook_lib.signal_handlers import interrupting_once, signal_handler


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


def test_the_first_signal_interrupts_and_a_second_one_does_not_cut_the_end_short() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    ended = []

    def interrupted() -> None:
        with interrupting_once(signal.SIGUSR1, signal.SIGUSR2):
            try:
                os.kill(os.getpid(), signal.SIGUSR1)
            finally:
                for number in (signal.SIGUSR2, signal.SIGUSR1):
                    os.kill(os.getpid(), number)
                ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    with signal_handler(signal.SIG_IGN, signal.SIGUSR1), interrupting_once(signal.SIGUSR1):
        os.kill(os.getpid(), signal.SIGUSR1)
