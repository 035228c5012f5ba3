"""Threads that work on hosts, and the main thread that waits for them."""

from __future__ import annotations

import subprocess
import sys

from tests.deadlines import deadline

# The signal is given to a thread of the pool, as the system may do with one for the process.
_PROGRAM = """
import signal, threading, time
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.interrupts import on_interrupt

cancel = threading.Event()

def work(_):
    time.sleep(0.3)  # until the main thread waits
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    return cancel.wait(float("{seconds}"))

with on_interrupt(cancel.set):
    print(HostPool(1).map(work, ["host-a"]))
"""


def test_ctrl_c_is_handled_whichever_thread_gets_it() -> None:
    program = _PROGRAM.format(seconds=deadline(20))
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=deadline(60)
    )
    assert (done.returncode, done.stdout) == (0, "[True]\n"), done.stderr
