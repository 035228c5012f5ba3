"""What a forked process does to be a kernel like any other: its own session, streams, directory, environment."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

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

    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - loaded by the server

    sys.argv = [sys.modules["ipykernel"].__path__[0] + "_launcher.py", *job.arguments]
    IPKernelApp.launch_instance(parent_handle=server)


def _streams(given: tuple[int, ...]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *given)):
        os.dup2(descriptor, number)
    for descriptor in (nothing, *given):
        os.close(descriptor)
