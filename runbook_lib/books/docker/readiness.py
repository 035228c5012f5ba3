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
    from collections.abc import Callable

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
    def known(fact: str, what: str, judge: Callable[[Any], str]) -> list[str]:
        """Return what is wrong with a fact's value: one that could not be read is never taken for a good one."""
        problem = judge(facts[fact]) if fact in facts else f"{what} could not be read"
        return [problem] if problem else []

    base = [
        *known(Sudo.id, "sudo", lambda sudo: "" if sudo else "no sudo"),
        *known(
            ClockSkew.id,
            "the clock",
            lambda skew: f"clock is {skew} s off" if abs(skew) > p.most_clock_skew else "",
        ),
    ]
    install = [
        *base,
        *known(Release.id, "the distribution", _wrong_release),
        *known(
            DiskSpace("/var").label,
            "the space in /var",
            lambda space: f"less than {p.least_disk} MiB free in /var" if space < p.least_disk else "",
        ),
    ]
    engine = [
        *base,
        *known(
            EngineVersion.id,
            "the Docker engine",
            lambda version: "" if version else "no Docker engine: 20_docker_install first",
        ),
    ]
    network = known(NetworkStack.id, "the software that configures the network", _wrong_stack)
    kernel = [*base, *known(Virtualization.id, "what the host runs on", _shared_kernel)]
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


def _wrong_release(release: Any) -> str:  # noqa: ANN401 - as the record has it
    if (release or {}).get("family") in FAMILIES:
        return ""
    return f"not of a known family of distributions ({', '.join(sorted(FAMILIES))})"


def _wrong_stack(stack: Any) -> str:  # noqa: ANN401 - as above
    # Which of several configures the port is known only once the port is: `bridge.present` refuses what it cannot do.
    if set(stack or ()) & CONFIGURING:
        return ""
    return f"network configured by none of {', '.join(sorted(CONFIGURING))}"


def _shared_kernel(virtualization: Any) -> str:  # noqa: ANN401 - as above
    container = (virtualization or {}).get("container")
    return f"a container ({container}): shares the kernel of its machine" if container else ""


def _summary(missing: list[str]) -> str:
    return ", ".join(missing) or READY
