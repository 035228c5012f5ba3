"""The operation of a step on each of its hosts, which a function of the notebook may make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError, ParameterError, RunbookError
from runbook_lib.masking import excerpt
from runbook_lib.operations.base import Operation
from runbook_lib.runbook.steps.concealed_operation import conceal_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runbook_lib.host_settings import Host
    from runbook_lib.secrets import Secrets

__all__ = ["operations_for"]

_MOST_ERROR = 500  # characters of an error that a function raised


def operations_for(
    hosts: Sequence[Host],
    given: Operation | Callable[[Host], Operation],
    secrets: Secrets,
    title: str,
    ended: Callable[[], bool],
) -> dict[str, Operation | str]:
    """Return, by host, its operation with secrets hidden; or, as text without secret values, why it has none.

    Args:
        hosts: The step's hosts.
        given: The step's operation, or a function from a host to its operation.
        secrets: The run's secrets.
        title: The step's title.
        ended: Whether the run has ended, as by a step in the function.

    Raises:
        ParameterError: `given` is neither an operation nor a function.
    """
    if not isinstance(given, Operation) and not callable(given):
        raise ParameterError(
            f"{_described(given)} is not an operation", where=f"step {title!r}", hint=_hint(given)
        )
    operations: dict[str, Operation | str] = {}
    for host in hosts:
        try:
            # An operation may be a function too, as those of pyinfra are: it then makes itself for the host.
            made = _made_by(given, host) if callable(given) else given
            operations[host.name] = conceal_secrets(made, secrets)
        except EvidenceError:
            raise
        except Exception as problem:  # the step ends here on this host, and its record must say how
            if ended():
                raise
            operations[host.name] = secrets.mask(_reason(problem))
    return operations


def _made_by(function: Callable[[Host], Operation], host: Host) -> Operation:
    """Return the operation that a step's function makes for a host.

    Raises:
        ParameterError: It returns something else.
    """
    made: object = function(host)
    if not isinstance(made, Operation):
        raise ParameterError(
            f"the step's function returned {_described(made)}, not an operation",
            where=host.name,
            hint=_hint(made),
        )
    return made


def _described(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _hint(value: object) -> str:
    if value is None:
        return "check that the function ends with `return`"
    if isinstance(value, list | tuple | set | dict):
        return "give each operation a step of its own"
    return "give an operation, or a function from a host to one"


def _reason(problem: Exception) -> str:
    if isinstance(problem, RunbookError):
        return str(problem)
    text = str(problem).strip()
    said = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
    return f"the step's function raised {excerpt(said, _MOST_ERROR)}"
