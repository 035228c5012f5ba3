"""A kernel is interrupted once, however many signals arrive, and nothing else goes wrong meanwhile."""

from __future__ import annotations

import subprocess
import sys

from tests.deadlines import deadline

# The second signal arrives while the first one is handled: there it is handled at once, before the first.
_PROGRAM = """
import logging, os, signal, threading
from runbook_lib.execution.notebook.kernel_process import Kernel
from runbook_lib.execution.notebook.signal_forwarding import forward_signals

class Another(logging.StreamHandler):
    def emit(self, record):
        if not arrived.is_set():
            arrived.set()
            os.kill(os.getpid(), signal.SIGTERM)
        super().emit(record)

arrived = threading.Event()
logging.basicConfig(level=logging.WARNING, handlers=[Another()], format="%(message)s")
with Kernel() as kernel, forward_signals(kernel):
    os.kill(os.getpid(), signal.SIGINT)
    print(kernel.interrupted)
    print(sum(isinstance(thread, threading.Timer) for thread in threading.enumerate()))
"""


def test_a_signal_that_arrives_while_another_is_handled_changes_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=False, capture_output=True, text=True, timeout=deadline(60)
    )
    assert (done.returncode, done.stdout) == (0, "SIGINT received\n1\n"), done.stderr
    assert "SIGTERM received: already stopping" in done.stderr
