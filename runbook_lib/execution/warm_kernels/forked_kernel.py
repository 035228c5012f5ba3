"""Turn a forked process into a kernel like any other: its own session, streams, directory, environment."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipykernel
from ipykernel.kernelapp import IPKernelApp

__all__ = ["ForkedKernel", "become"]


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


def _redirect(streams: tuple[int, ...]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *streams)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *streams):
        os.close(descriptor)
