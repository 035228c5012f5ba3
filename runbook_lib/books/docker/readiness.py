"""For which runbooks a host is ready, judged by its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.facts.clock import ClockSkew
from runbook_lib.facts.docker_engine import EngineVersion
from runbook_lib.facts.host import Virtualization
from runbook_lib.facts.network_stack import CONFIGURING, NetworkStack
from runbook_lib.facts.privilege import Sudo
from runbook_lib.facts.release import FAMILIES, Release
from runbook_lib.facts.resources import DiskSpace

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import Preflight
    from runbook_lib.model.records import StepRecord

__all__ = ["READY", "readiness"]

READY = "ready"
"""The entry for a runbook without obstacles."""


def readiness(step: StepRecord, p: Preflight) -> list[dict[str, str]]:
    """Return one row per host: runbook -> `ready`, or what is missing.

    Args:
        step: The facts step of the preflight runbook.
        p: The preflight runbook's parameters, with its thresholds.
    """
    return [{"host": host.host, **_of_host(host.facts, p)} for host in step.hosts]


def _of_host(facts: dict[str, Any], p: Preflight) -> dict[str, str]:
    base = [] if facts.get(Sudo.id) else ["no sudo"]
    if abs(facts.get(ClockSkew.id, 0.0)) > p.most_clock_skew:
        base.append(f"clock is {facts[ClockSkew.id]} s off")
    install = [*base]
    if (facts.get(Release.id) or {}).get("family") not in FAMILIES:
        install.append(f"not of a known family of distributions ({', '.join(sorted(FAMILIES))})")
    if facts.get(DiskSpace("/var").label, 0) < p.least_disk:
        install.append(f"less than {p.least_disk} MiB free in /var")
    engine = base if facts.get(EngineVersion.id) else [*base, "no Docker engine: 20_docker_install first"]
    stack = facts.get(NetworkStack.id) or []
    # Which of several configures the port is known only once the port is: `bridge.present` refuses what it cannot do.
    network = (
        []
        if set(stack) & CONFIGURING
        else [f"network configured by none of {', '.join(sorted(CONFIGURING))}"]
    )
    container = (facts.get(Virtualization.id) or {}).get("container")
    kernel = [*base, f"a container ({container}): shares the kernel of its machine"] if container else base
    return {
        "10_kernel_upgrade": _summary(kernel),
        "20_docker_install": _summary(install),
        "25_published_ports": _summary(engine),
        "30_bridge_br0": _summary([*engine, *network]),
        "35_two_vlans": _summary([*engine, *network]),
        "40_ambassador_redis": _summary(engine),
        "50_registry_s3": _summary(engine),
        "60_overlay_names": _summary(engine),
        "90_validate": _summary(engine),
    }


def _summary(missing: list[str]) -> str:
    return ", ".join(missing) or READY
