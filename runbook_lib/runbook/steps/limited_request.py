"""One request to a host within its limits: a command still running at its timeout or deadline is stopped there."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from runbook_lib.connections import network_query
from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.errors import UnreachableError
from runbook_lib.model.commands import DockerQuery, NetworkQuery

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from runbook_lib.connections.base import Connection
    from runbook_lib.connections.output_budget import OutputLimit
    from runbook_lib.evidence.spooled_output import SpooledOutputs
    from runbook_lib.model.commands import Command, Output
    from runbook_lib.runbook.steps.deadline import Deadline

__all__ = ["send_within"]


def send_within(  # noqa: PLR0913, PLR0917 - all that limits a request
    connection: Connection,
    request: Command | DockerQuery | NetworkQuery,
    deadline: Deadline | None,
    cancel: threading.Event,
    spooled: SpooledOutputs,
    limit: OutputLimit,
    send_stop: Callable[[Command], Output],
) -> Output:
    """Send a request within the deadline, and stop a command that is still running by then on the host.

    Args:
        connection: The connection to the host.
        request: What to send.
        deadline: When it must be finished; None: its own timeout is the only one.
        cancel: Stops the wait once it is set.
        spooled: Gets the outputs that are too large for a record.
        limit: How much the host may send.
        send_stop: Sends a command that stops the one before it.

    Raises:
        UnreachableError: The request could not be sent.
        FactUnavailable: There is no Docker engine to query.
    """
    cut_short = deadline is not None and deadline.left < request.timeout
    if isinstance(request, NetworkQuery):
        return network_query.ask(
            request,
            connection,
            CommandWait(min(request.timeout, deadline.left if deadline else request.timeout), cancel),
        )
    if isinstance(request, DockerQuery):
        if deadline is not None and cut_short:
            request = dataclasses.replace(request, timeout=max(1.0, deadline.left))
        return connection.query_docker(request, cancel, limit)
    if deadline is not None and cut_short and request.safe_to_interrupt:
        sent = dataclasses.replace(request, timeout=deadline.left)
    else:
        sent, cut_short = request, False
    output = connection.run(sent, cancel, spooled.open, limit)
    if not output.still_running:
        return output
    overdue = deadline is not None and deadline.passed and cut_short and not (cancel.is_set() or limit.cut)
    why = deadline.message if deadline and overdue else output.problem
    try:
        result = connection.stop(request, send_stop)
    except UnreachableError as gone:
        result = f"could not confirm termination on the host: {gone.message}"
    return dataclasses.replace(output, problem=f"{why}; {result}", ended=time.time())
