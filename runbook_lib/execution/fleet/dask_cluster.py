"""Units on a Dask cluster, through its own `concurrent.futures.Executor`."""

from __future__ import annotations

import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

__all__ = ["cluster"]

_CONNECTS_WITHIN = 5  # seconds


@contextlib.contextmanager
def cluster(scheduler: str | None, jobs: int) -> Iterator[tuple[Executor, str]]:
    """Reach a cluster, or make one of `jobs` processes on this machine.

    Args:
        scheduler: Address as `tcp://HOST:8786`; None for a cluster of our own.
        jobs: Workers of a cluster of our own.

    Returns:
        The executor, and what it is in words.

    Raises:
        InputError: There is no Dask here, or no scheduler at that address.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra, loaded where it is asked for
    except ImportError as missing:
        raise RequirementError("Dask is not installed", hint="pip install 'runbook-lib[dask]'") from missing
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            with _sigint_ignored():  # what is started now: a Ctrl-C is for us, and we tell the runs
                own = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=jobs,
                    threads_per_worker=1,
                    security=True,  # else whoever is on this machine could have it run anything
                    silence_logs=logging.ERROR,
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                )
            client = stack.enter_context(Client(stack.enter_context(own)))  # type: ignore[no-untyped-call]
        else:
            try:
                client = stack.enter_context(Client(scheduler, timeout=_CONNECTS_WITHIN))  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as problem:
                raise InputError(
                    f"no Dask scheduler answers: {problem}",
                    where=scheduler,
                    hint="name it as tcp://HOST:8786; no host was touched",
                ) from problem
        told = f"Dask at {client.scheduler.address}, {len(client.nthreads())} workers"
        # The same unit twice is two pieces of work: nothing may be taken from a cache.
        yield client.get_executor(pure=False), told


@contextlib.contextmanager
def _sigint_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
