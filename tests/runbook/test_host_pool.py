"""Threads that work on hosts, and the main thread that waits for them."""

from __future__ import annotations

import subprocess
import sys

from tests.deadlines import deadline

# The signal is given to a thread of the pool, as the system may do with one for the process.
_PROGRAM = """
import signal, threading, time
from runbook_lib.runbook.host_pool import HostPool
from runbook_lib.runbook.steps.interrupts import on_interrupt

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


# As at a limit of processes, which does not count for root: the system's answer for the third thread is made up.
_NO_THIRD_THREAD = """
import threading, time
from runbook_lib.runbook.host_pool import HostPool

started, start = [], threading.Thread.start

def limited(thread):
    started.append(thread)
    if len(started) == 3:
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = limited
begun, ended, free = [], [], threading.Event()

def work(host):
    begun.append(host)
    free.wait()
    time.sleep(0.2)
    ended.append(host)

pool = HostPool(4)
threading.Timer.start = start
threading.Timer(0.5, free.set).start()
try:
    pool.map(work, ["host-a", "host-b", "host-c", "host-d"])
except RuntimeError as problem:
    print(problem, sorted(begun) == sorted(ended) == ["host-a", "host-b"])
print(pool.map(str, ["again"]), sorted(begun))
"""


def test_where_a_thread_cannot_be_started_the_calls_that_have_begun_are_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_THIRD_THREAD],
        check=False, capture_output=True, text=True, timeout=deadline(60),
    )  # fmt: skip
    expected = "can't start new thread True\n['again'] ['host-a', 'host-b']\n"
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
