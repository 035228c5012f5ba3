"""What a forked process does to be a kernel like any other: its own session, streams, directory, environment."""

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

__all__ = ["Job", "become"]


@dataclass(frozen=True)
class Job:
    """A kernel to become.

    Args:
        arguments: Of `ipykernel_launcher`.
        cwd: Its directory.
        environment: All of its environment.
        streams: Descriptors of its standard output and error.
    """

    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    streams: tuple[int, ...]


def become(job: Job, server: int) -> None:
    """Be the kernel until it ends; it ends by itself where the server has died.

    Args:
        job: The kernel.
        server: Process id of the fork server.
    """
    gc.enable()
    os.setsid()
    _streams(job.streams)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.environ.clear()
    os.environ.update(job.environment)
    time.tzset()
    tempfile.tempdir = None
    os.chdir(job.cwd)
    sys.argv = [str(Path(ipykernel.__file__).parents[1] / "ipykernel_launcher.py"), *job.arguments]
    application: Any = IPKernelApp.instance(parent_handle=server)
    application.initialize()
    application.start()
    # ipykernel ends the thread that sends streams first, and then may wait for ever for this one to send some.
    if application.control_thread and application.control_thread.is_alive():
        application.control_thread.stop()
        application.control_thread.join()


def _streams(given: tuple[int, ...]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *given)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *given):
        os.close(descriptor)
