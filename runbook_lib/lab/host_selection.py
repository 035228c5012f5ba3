"""Which hosts `Lab.up` is to start, with which release, and whether a running lab can have them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError, RequirementError
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.system.debian_releases import find_release
from runbook_lib.lab.topology import HostPlan, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.lab.state import LabState

__all__ = ["available_hosts", "check_same_lab", "with_release", "with_releases_of"]

_log = logging.getLogger(__name__)


def with_release(topology: Topology, release: str | None, engine: int | None) -> Topology:
    """Return the topology with another Debian release, or another Docker engine, for all its hosts.

    Args:
        topology: The hosts.
        release: Name or code name of the release; without it each host keeps its own.
        engine: Major version of the Docker engine that the hosts' package sources offer; without it a host whose
            release stays keeps its own, and another one gets the release's.

    Raises:
        InputError: There is no such release, it cannot have that engine, or a host's kind cannot run it.
    """
    if release is None and engine is None:
        return topology
    codename = find_release(release).codename if release is not None else None
    hosts = {}
    for name, plan in topology.hosts.items():
        chosen = codename or plan.distribution
        kept = plan.engine if chosen == plan.distribution else None
        changed = plan.model_copy(update={"distribution": chosen, "engine": engine or kept})
        if engine is not None:
            find_release(changed.distribution).engine_suite(engine)
        host_class(changed.kind).check_plan(changed, f"host {name!r} of the topology")
        hosts[name] = changed
    return Topology(topology.control, hosts, topology.groups)


def with_releases_of(running: Mapping[str, HostPlan], topology: Topology) -> Topology:
    """Return the topology with release and engine of the hosts that are running.

    Args:
        running: The hosts of the lab, by name.
        topology: The hosts to have; those that the lab lacks keep their release.
    """
    hosts = dict(topology.hosts)
    for name in hosts.keys() & running.keys():
        kept = {"distribution": running[name].distribution, "engine": running[name].engine}
        hosts[name] = hosts[name].model_copy(update=kept)
    return Topology(topology.control, hosts, topology.groups)


def check_same_lab(state: LabState, wanted: Topology) -> None:
    """Refuse a topology that differs from the one a running lab was made from; hosts may be missing in either.

    Args:
        state: The running lab.
        wanted: The hosts to have.

    Raises:
        InputError: Control, or a host or a group that both have, differs.
    """
    differences = ["control differs"] if wanted.control != state.control else []
    for name in wanted.hosts.keys() & state.hosts.keys():
        running, plan = _with_engine(state.hosts[name]), _with_engine(wanted.hosts[name])
        fields = [field for field in HostPlan.model_fields if getattr(running, field) != getattr(plan, field)]
        if fields:
            differences.append(f"{name} differs in {', '.join(fields)}")
    for group in sorted({*wanted.groups, *state.groups}):
        ours, theirs = state.groups.get(group, []), wanted.groups.get(group, [])
        if {name for name in ours if name in wanted.hosts} != {
            name for name in theirs if name in state.hosts
        }:
            differences.append(f"the group {group} differs")
    if differences:
        raise InputError(
            f"the lab is up with another topology: {'; '.join(differences)}; its hosts are {', '.join(state.hosts)}",
            where=f"lab {state.name}",
            hint="run `runbook lab down` first, or start a second lab with --name",
        )


def _with_engine(plan: HostPlan) -> HostPlan:
    """Return a host with the engine that it has without being given one: the first of its release."""
    own = next(iter(find_release(plan.distribution).engines))
    return plan.model_copy(update={"engine": plan.engine or own})


def available_hosts(topology: Topology, names: Sequence[str] | None) -> Topology:
    """Return the topology reduced to the hosts to start.

    Args:
        topology: All hosts.
        names: The hosts to start. Without it all hosts, except those that do not start by default and whose
            requirements this machine does not meet; a warning names these.

    Raises:
        InventoryError: A name is unknown.
        RequirementError: This machine does not meet the requirements of a host, or of any host.
    """
    wanted = topology.only(names) if names else topology
    missing: dict[str, RequirementError] = {}
    for kind in dict.fromkeys(plan.kind for plan in wanted.hosts.values()):
        try:
            host_class(kind).check_requirements()
        except RequirementError as unmet:
            if names or host_class(kind).starts_by_default:
                raise
            missing[kind] = unmet
    available = [name for name, plan in wanted.hosts.items() if plan.kind not in missing]
    for kind, problem in missing.items():
        if not available:
            raise problem
        left_out = ", ".join(name for name, plan in wanted.hosts.items() if plan.kind == kind)
        _log.warning("starting without %s: %s", left_out, problem)
    return wanted.only(available)
