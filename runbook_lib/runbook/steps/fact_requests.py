"""Send the requests of facts to a host, several at once where that is possible."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runbook_lib.connections.base import Connection
    from runbook_lib.facts.base import Fact
    from runbook_lib.model.commands import DockerQuery, NetworkQuery, Output
    from runbook_lib.runbook.steps.recorder import Recorder

__all__ = ["ask"]


def ask(
    recorder: Recorder,
    connection: Connection,
    facts: Iterable[Fact[Any]],
    stop_if_interrupted: Callable[[], None],
    **circumstances: Any,  # noqa: ANN401 - the recorder's own arguments
) -> Iterator[tuple[Fact[Any], Command | DockerQuery | NetworkQuery, Output | RunbookError]]:
    """Send the requests of facts; yield what came back, in the order of the facts.

    Args:
        recorder: Sends and records the requests.
        connection: The connection to the host.
        facts: The facts.
        stop_if_interrupted: Called before requests are sent.
        circumstances: Further arguments of `Recorder.send`.

    Yields:
        A fact, its request, and the request's output or why there is none.

    Raises:
        Interrupted: The run was interrupted before all requests were sent; likewise `DeadlinePassed`.
        EvidenceError: A request could not be journaled.
    """
    waiting = deque((fact, fact.request()) for fact in facts)
    while waiting:
        stop_if_interrupted()
        for output in _send_first(recorder, connection, waiting, circumstances):
            yield *waiting.popleft(), output


def _send_first(
    recorder: Recorder,
    connection: Connection,
    waiting: Sequence[tuple[Fact[Any], Command | DockerQuery | NetworkQuery]],
    circumstances: dict[str, Any],
) -> Sequence[Output | RunbookError]:
    """Send the first request, together with those after it that may be sent at the same time."""
    together: list[Command] = []
    for fact, request in waiting:
        if not (isinstance(request, Command) and connection.can_send_together(request)):
            break
        together.append(request)
        if fact.awaited:
            break
    if len(together) > 1:
        return recorder.send_together(connection, together, **circumstances)
    try:
        return [recorder.send(connection, waiting[0][1], **circumstances)]
    except RunbookError as problem:
        return [problem]
