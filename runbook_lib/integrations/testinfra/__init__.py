"""testinfra's modules as checks: `book.check("TLS is served", lambda host: host.socket("tcp://443").is_listening)`.

The predicate gets testinfra's host. What it asks goes over the runbook's own connection, and is recorded as facts are.
Needs the extra `testinfra`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.extras import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.host_settings import Host
    from runbook_lib.operations.base import Operation

__all__ = ["TIMEOUT", "check"]

TIMEOUT = 30.0
"""Seconds that a predicate may take, with the commands that it sends."""


def check(
    title: str,
    predicate: Callable[[Any], object],
    *,
    expected: object = True,
    timeout: float = TIMEOUT,
) -> Callable[[Host], Operation]:
    """Return a function from a host to a read-only operation for `Runbook.step`; `Runbook.check` is shorter.

    Args:
        title: What is checked, in a few words.
        predicate: Gets testinfra's host; True, or what is expected, if the check holds. It may be called several times.
        expected: What the predicate returns if the check holds.
        timeout: Seconds that the predicate may take, with the commands that it sends.

    Raises:
        RequirementError: testinfra is not installed.
        ParameterError: The predicate cannot be called, or the timeout is not positive.
    """
    load("testinfra")
    made: Callable[[Host], Operation] = load("runbook_lib.integrations.testinfra.host_check").for_hosts(
        title, predicate, expected, timeout
    )
    return made
