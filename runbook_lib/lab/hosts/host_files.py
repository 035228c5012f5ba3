"""The files that differ from host to host: name, addresses, package sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.lab.hosts.network_files import network_files
from runbook_lib.lab.services import package_cache
from runbook_lib.lab.system.debian_bootstrap import APT_CONFIGURATION
from runbook_lib.lab.system.debian_releases import package_pins, package_sources

if TYPE_CHECKING:
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["identity_files"]


def identity_files(topology: Topology, plan: HostPlan) -> dict[str, str]:
    """Return a host's own files: path without the leading `/` -> content.

    Args:
        topology: All hosts of the lab, for /etc/hosts.
        plan: The host.

    Raises:
        RequirementError: This machine's apt has no Debian repository.
    """
    hosts = topology.hosts.values()
    names = [f"{topology.control.ip}\tcontrol\n", *(f"{host.address}\t{host.name}\n" for host in hosts)]
    sources = [source.through_cache.line + "\n" for source in package_sources(plan.distribution, plan.engine)]
    pins = package_pins(plan.distribution, plan.engine)
    proxy = {
        "Acquire::http::Proxy": f"http://{topology.control.ip}:{package_cache.PORT}",
        # An update through the cache has been seen to hang, past apt's own timeout: no request is sent ahead.
        "Acquire::http::Pipeline-Depth": "0",
        # The package cache gives up a silent mirror first, and says so. apt asks for one file after another: with its
        # usual three retries an update would take minutes.
        "Acquire::http::Timeout": str(package_cache.MIRROR_TIMEOUT + 5),
        "Acquire::Retries": "1",
    }
    apt = [f'{name} "{value}";\n' for name, value in (APT_CONFIGURATION | proxy).items()]
    return {
        "etc/hostname": f"{plan.name}\n",
        "etc/hosts": "".join(["127.0.0.1\tlocalhost\n", *names]),
        "etc/apt/sources.list": "".join(sources),
        "etc/apt/apt.conf.d/90lab": "".join(apt),
        **({"etc/apt/preferences.d/90lab": pins} if pins else {}),
        **network_files(plan),
    }
