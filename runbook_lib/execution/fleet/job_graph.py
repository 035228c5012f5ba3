"""From runbooks to units: their order by what each needs, and what must not run side by side."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import InputError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job import Unit
from runbook_lib.model.status import Mode
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.execution.catalog import Entry
    from runbook_lib.inventory import Host
    from runbook_lib.parameters import Parameters
    from runbook_lib.yaml_files import YamlFile

__all__ = ["Wanted", "arrange", "not_named", "side_by_side"]


@dataclass(frozen=True)
class Wanted:
    """A run that somebody asked for.

    Args:
        entry: The runbook.
        values: Parameters beyond its defaults.
        source: The file that most of them come from, for complaints.
        label: What to call it; the runbook's name where it is empty.
    """

    entry: Entry
    values: dict[str, Any]
    source: YamlFile | None = None
    label: str = ""


def arrange(wanted: Sequence[Wanted]) -> list[Unit]:
    """Check every run's parameters, and return the units with what each comes after.

    A unit comes after those of the runbooks its own needs, on any of the same hosts; also by way of a runbook that
    was not asked for.

    Raises:
        InputError: Any parameter of any runbook is wrong, or runbooks need each other; no host was touched.
    """
    units = [
        _unit(number, want, catalog.check(want.entry, want.values, want.source), want.label)
        for number, want in enumerate(wanted, start=1)
    ]
    names = {unit.id: want.entry.name for unit, want in zip(units, wanted, strict=True)}
    needs = _all_needs([want.entry for want in wanted])
    return [
        replace(
            unit,
            after=[
                other.id
                for other in units
                if names[other.id] in needs[names[unit.id]] and not set(other.hosts).isdisjoint(unit.hosts)
            ],
        )
        for unit in units
    ]


def not_named(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Return what is needed and was not asked for, each with the runbooks that need it."""
    named = {entry.name for entry in entries}
    lacking: dict[str, list[str]] = {}
    for entry in entries:
        for need in entry.needs:
            if need not in named:
                lacking.setdefault(need, []).append(entry.name)
    return lacking


def side_by_side(units: Sequence[Unit]) -> bool:
    """Return whether any two units may ever run at the same time."""
    by_id = {unit.id: unit for unit in units}
    behind: dict[str, set[str]] = {}
    for name in TopologicalSorter({unit.id: unit.after for unit in units}).static_order():
        after = by_id[name].after
        behind[name] = set(after).union(*(behind[other] for other in after))
    return any(
        first not in behind[second]
        and second not in behind[first]
        and not by_id[first].excludes(by_id[second])
        for first, second in itertools.combinations(by_id, 2)
    )


def _unit(number: int, want: Wanted, parameters: Parameters, label: str) -> Unit:
    hosts = catalog.hosts_of(parameters)
    return Unit(
        id=str(number),
        label=label or want.entry.name,
        runbook=want.entry.model.runbook,
        notebook=str(want.entry.path.absolute()),
        values=want.values,
        runs=parameters.runs,
        hosts=[host.name for host in hosts],
        machines=sorted({_machine(host) for host in hosts}),
        changes=parameters.run_mode is Mode.APPLY,
        after=[],
        project=str(project_top()),
    )


def _machine(host: Host) -> str:
    """Return what two names of one machine have in common: where it is reached, and from which network."""
    if host.connection == "local":
        return "local"
    return f"{host.network_namespace or ''} {host.proxy_command or ''} {host.target}:{host.port}"


def _all_needs(entries: Sequence[Entry]) -> dict[str, set[str]]:
    """Return, for each runbook, all that it needs, also through others on disk.

    Raises:
        InputError: Runbooks need each other.
    """
    direct = {entry.name: entry.needs for entry in entries}
    todo = [need for entry in entries for need in entry.needs]
    while todo:
        name = todo.pop()
        if name not in direct:
            entry = catalog.find(name)
            direct[name] = entry.needs
            todo += entry.needs
    found: dict[str, set[str]] = {}
    try:
        for name in TopologicalSorter(direct).static_order():
            found[name] = set(direct[name]).union(*(found[need] for need in direct[name]))
    except CycleError as circle:
        raise InputError(
            f"these runbooks need each other: {' → '.join(circle.args[1])}",
            hint="mend `needs` in their metadata",
        ) from circle
    return found
