"""An inventory in Ansible's JSON: what `ansible-inventory --list` and inventory programs print.

Variables of groups are those of the protocol: a child group's come before its parent's, a host's before all; groups
of the same depth count in alphabetical order, the last one wins. `ansible-inventory` has merged them already.
"""

from __future__ import annotations

import hashlib
import json
from graphlib import CycleError, TopologicalSorter
from typing import Any

from runbook_lib.errors import InventoryError
from runbook_lib.inventories.ansible_host import host_settings
from runbook_lib.inventories.source import HostEntry, Source

__all__ = ["read_ansible"]

Data = dict[str, Any]
_DEEPEST = 100  # groups within groups
_SHOWN = 10  # groups of a circle in a message
_META = "_meta"


def _parse(printed: bytes, where: str) -> Data:
    """Return the mapping that a JSON text is.

    Raises:
        InventoryError: It is not JSON, not a mapping, or has a name twice.
    """
    try:
        found = json.loads(
            printed, object_pairs_hook=lambda pairs: _distinct(pairs, where), parse_constant=_refuse
        )
    except (ValueError, RecursionError) as problem:
        start = printed[:60].decode(errors="replace")
        raise InventoryError(
            f"not JSON: {problem}; it begins with {start!r}",
            where=where,
            hint="an inventory program prints JSON and nothing else; messages go to standard error",
        ) from problem
    if not isinstance(found, dict):
        raise InventoryError("the JSON is not a mapping of names to groups", where=where)
    return found


def read_ansible(printed: bytes, kind: str, name: str) -> Source:
    """Return what Ansible's JSON says.

    Args:
        printed: The JSON.
        kind: The kind of the source, for its record.
        name: The inventory, for messages.

    Raises:
        InventoryError: It is not Ansible's JSON, or has a setting that is not supported.
    """
    data = _parse(printed, name)
    if _META not in data and isinstance(data.get("hosts"), dict):
        raise InventoryError(
            "the JSON has `hosts` as a mapping, and is not in the form of ansible-inventory --list",
            where=name,
            hint="print {group: {hosts: [...]}, _meta: {hostvars: {...}}}; our own form is a YAML file",
        )
    meta = data.pop(_META, None)
    if not isinstance(meta, dict) or not isinstance(meta.get("hostvars"), dict):
        raise InventoryError(
            "the JSON has no _meta.hostvars: the variables of the hosts are not known",
            where=name,
            hint="print them with --list, as ansible-inventory does; --host is not called",
        )
    groups = {group: _group(group, content, name) for group, content in data.items()}
    order = _children_first(groups, name)
    depths = _depths(groups, order, name)
    members = _members(groups, order)
    names = dict.fromkeys([*meta["hostvars"], *(host for hosts in members.values() for host in hosts)])
    inherited: dict[str, Data] = {host: {} for host in names}
    for group in sorted(groups, key=lambda group: (group != "all", depths[group], group)):
        for host in names if group == "all" else members[group]:
            inherited[host] |= groups[group]["vars"]
    hosts = {}
    for host, variables in inherited.items():
        own = meta["hostvars"].get(host, {})
        if not isinstance(own, dict):
            raise InventoryError("its variables are not a mapping", where=f"{name}, host {host!r}")
        where = f"{name}, host {host!r}"
        hosts[host] = HostEntry(host_settings({**variables, **own}, where), where)
    shown = {group: hosts for group, hosts in members.items() if group not in {"all", "ungrouped"}}
    return Source(kind, name, hashlib.sha256(printed).hexdigest(), hosts, shown)


def _group(name: str, content: Any, where: str) -> Data:  # noqa: ANN401 - JSON
    """Return a group with all its parts; a list of hosts is the old form."""
    found = {"hosts": content} if isinstance(content, list) else content
    if not isinstance(found, dict):
        raise InventoryError(f"group {name!r} is not a mapping or a list of hosts", where=where)
    group = {
        "hosts": found.get("hosts") or [],
        "children": found.get("children") or [],
        "vars": found.get("vars") or {},
    }
    lists = (group["hosts"], group["children"])
    if not all(isinstance(items, list) and all(isinstance(item, str) for item in items) for items in lists):
        raise InventoryError(f"group {name!r}: its hosts and children are not lists of names", where=where)
    if not isinstance(group["vars"], dict):
        raise InventoryError(f"group {name!r}: its vars are not a mapping", where=where)
    return group


def _children_first(groups: dict[str, Data], where: str) -> list[str]:
    """Return the groups, each after all groups that it contains."""
    try:
        order = [
            *TopologicalSorter(
                {group: content["children"] for group, content in groups.items()}
            ).static_order()
        ]
    except CycleError as circle:
        ring = circle.args[1][:0:-1]  # from a group down to a child that contains it
        first = min(map([*groups].index, ring))
        start = ring.index([*groups][first])
        path = [*ring[start:], *ring[:start], ring[start]]
        raise InventoryError(
            f"group {path[0]!r} contains itself: {' > '.join(path[:_SHOWN])}", where=where
        ) from circle
    return [group for group in order if group in groups]  # a child need not be described


def _members(groups: dict[str, Data], order: list[str]) -> dict[str, list[str]]:
    """Return the hosts of each group and of the groups in it: each group is visited once, however often contained."""
    members: dict[str, list[str]] = {}
    for group in order:
        inner = (host for child in groups[group]["children"] for host in members.get(child, ()))
        members[group] = [*dict.fromkeys([*groups[group]["hosts"], *inner])]
    return {group: members[group] for group in groups}


def _depths(groups: dict[str, Data], order: list[str], where: str) -> dict[str, int]:
    """Return how deep each group is below the groups that nothing contains."""
    depths = dict.fromkeys(groups, 0)
    for group in reversed(order):
        for child in depths.keys() & groups[group]["children"]:
            depths[child] = max(depths[child], depths[group] + 1)
    deepest = max(depths, key=depths.__getitem__, default="")
    if deepest and depths[deepest] > _DEEPEST:
        raise InventoryError(
            f"group {deepest!r} is more than {_DEEPEST} groups deep",
            where=where,
            hint="nest groups less deeply",
        )
    return depths


def _distinct(pairs: list[tuple[str, Any]], where: str) -> Data:
    found: Data = {}
    for name, value in pairs:
        if name in found:
            raise InventoryError(f"the JSON has the name {name!r} twice in one mapping", where=where)
        found[name] = value
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
