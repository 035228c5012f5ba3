"""Parameters that must name exactly one host: the one with an address of its own, or the only one to do something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from runbook_lib.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from pydantic import BaseModel

    from runbook_lib.host_settings import Host
    from runbook_lib.yaml_files import YamlFile

__all__ = ["OneHost", "check_single_hosts", "names_one_host", "wrong_single_hosts"]


@dataclass(frozen=True)
class _ExactlyOne:
    """Marks the type of such a parameter."""


OneHost = Annotated[str, _ExactlyOne()]
"""Type of a parameter that names one host, or a group with one host."""


def names_one_host(model: type[BaseModel]) -> list[str]:
    """Return the names of a model's parameters of type `OneHost`."""
    return [
        name
        for name, field in model.model_fields.items()
        if any(isinstance(item, _ExactlyOne) for item in field.metadata)
    ]


def wrong_single_hosts(
    values: Iterable[tuple[str, str]], select: Callable[[str], Sequence[Host]], hosts: Collection[Host]
) -> Iterator[tuple[str, ParameterError]]:
    """Yield each parameter that names several of the run's hosts, with the error to raise.

    Of those that name none the check of the steps' hosts says so.

    Args:
        values: Name and value of each parameter that must name one host.
        select: `Inventory.select`.
        hosts: The run's hosts.

    Raises:
        InventoryError: A value names an unknown host or group.
    """
    own = {host.name for host in hosts}
    for name, value in values:
        chosen = [host.name for host in select(value) if host.name in own]
        if len(chosen) > 1:
            yield (
                name,
                ParameterError(
                    f"'{name}': {value!r} is more than one of this run's hosts: {', '.join(chosen)}",
                    hint="name the one host that is meant",
                ),
            )


def check_single_hosts(
    values: Iterable[tuple[str, str]],
    select: Callable[[str], Sequence[Host]],
    hosts: Collection[Host],
    *,
    where: str,
    source: YamlFile | None = None,
) -> None:
    """Refuse a parameter that names several of the run's hosts and must name one.

    Args:
        values: As for `wrong_single_hosts`; `select` and `hosts` likewise.
        select: As above.
        hosts: As above.
        where: Where the parameters come from, for the message.
        source: The file that most of them come from.

    Raises:
        ParameterError: A parameter names several hosts.
        InventoryError: A value names an unknown host or group.
    """
    for name, problem in wrong_single_hosts(values, select, hosts):
        line = source.line((name,)) if source else None
        place = f"{where}, line {line}" if line else where
        raise ParameterError(problem.message, where=place, hint=problem.hint)
