"""Turn a forked process into a kernel like any other: its own session, streams, directory, environment."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import ipykernel
from ipykernel.kernelapp import IPKernelApp

__all__ = ["ForkedKernel", "become", "leave"]

_STREAMS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


@dataclass(frozen=True)
class ForkedKernel:
    """The kernel that a forked process is to become.

    Args:
        arguments: The arguments of `ipykernel_launcher`.
        cwd: Its directory.
        environment: All of its environment.
        streams: Descriptors of its standard output and standard error.
    """

    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    streams: tuple[int, ...]


def become(kernel: ForkedKernel, server: int) -> None:
    """Run the kernel until it exits; it exits by itself if the server has died.

    Args:
        kernel: The kernel.
        server: Process id of the fork server.
    """
    gc.enable()
    os.setsid()
    _redirect(kernel.streams)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.environ.clear()
    os.environ.update(kernel.environment)
    time.tzset()
    tempfile.tempdir = None
    os.chdir(kernel.cwd)
    sys.argv = [str(Path(ipykernel.__file__).parents[1] / "ipykernel_launcher.py"), *kernel.arguments]
    application: Any = IPKernelApp.instance(parent_handle=server)
    application.initialize()
    application.start()
    # ipykernel stops the thread that sends streams first, and may then wait forever for this one to send some.
    if application.control_thread and application.control_thread.is_alive():
        application.control_thread.stop()
        application.control_thread.join()


def leave() -> NoReturn:
    """Exit as the interpreter does, but without freeing each object of each module.

    That would copy most of the memory that this process shares with the fork server: a third of the processor time
    that a short run takes. What is waited for, called, collected and flushed is what the interpreter waits for, calls,
    collects and flushes; only what modules still refer to is not finalized.
    """
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - as the interpreter: waits for threads
    atexit._run_exitfuncs()  # noqa: SLF001 - as above
    gc.collect()
    for stream in [found for found in gc.get_objects() if isinstance(found, _STREAMS)]:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def _redirect(streams: tuple[int, ...]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *streams)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *streams):
        os.close(descriptor)
