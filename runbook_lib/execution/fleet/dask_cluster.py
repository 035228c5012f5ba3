"""Dask: its own `concurrent.futures.Executor`, on an existing cluster or one started on this machine."""

from __future__ import annotations

import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.extras import named_extras
from runbook_lib.signal_handlers import signal_handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

__all__ = ["dask_executor"]

_CONNECT_TIMEOUT = 10  # seconds


@contextlib.contextmanager
def dask_executor(scheduler: str | None, workers: int = 1) -> Iterator[tuple[Executor, Any, str]]:
    """Connect to a Dask cluster, or start one on this machine.

    Args:
        scheduler: Address as `tcp://HOST:8786`; None: start a local cluster.
        workers: Worker processes of a local cluster.

    Yields:
        The executor, Dask's client, and a description of the cluster.

    Raises:
        RequirementError: Dask is not installed.
        InputError: No Dask scheduler answers at that address.
    """
    with named_extras():
        import distributed  # noqa: PLC0415 - an extra, loaded only if it is used
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        client: Any
        if scheduler is None:
            local = stack.enter_context(_local_cluster(workers))
            client = stack.enter_context(distributed.Client(local))  # type: ignore[no-untyped-call]
        else:
            try:
                client = stack.enter_context(distributed.Client(scheduler, timeout=_CONNECT_TIMEOUT))  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as problem:
                raise InputError(
                    f"no Dask scheduler answers: {problem}",
                    where=scheduler,
                    hint="give its address as tcp://HOST:8786; no host was touched",
                ) from problem
        description = f"Dask at {client.scheduler.address}, {len(client.nthreads())} workers"
        # The same call twice is two pieces of work: no result may come from a cache.
        yield client.get_executor(pure=False), client, description


def _local_cluster(workers: int) -> Any:  # noqa: ANN401 - distributed's
    import distributed  # noqa: PLC0415 - as above

    # The cluster's processes ignore Ctrl-C and a lost terminal: this process handles both.
    with signal_handler(signal.SIG_IGN, signal.SIGINT, signal.SIGHUP):
        return distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            security=True,  # otherwise any user of this machine could execute code on the workers
            silence_logs=logging.ERROR,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        )
