"""For tests: a lab that is up during a `with` block, and snapshots of this machine before and after."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from runbook_lib.errors import RequirementError
from runbook_lib.lab.hosts.registry import host_class
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.status import Started
from runbook_lib.lab.system.cgroups import is_zombie
from runbook_lib.lab.system.paths import DATA, RUN
from runbook_lib.lab.topology_file import DEFAULT_TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CONTAINERS", "Machine", "reason_to_skip", "running_lab"]

CONTAINERS = ("host-a", "host-b")
"""The containers of this project's own topology, which are up within seconds."""


@contextlib.contextmanager
def running_lab(
    name: str,
    hosts: Sequence[str] | None = None,
    topology: str | Path = DEFAULT_TOPOLOGY,
    release: str | None = None,
    engine: int | None = None,
) -> Iterator[Lab]:
    """Bring a lab up, yield it, and take it down, whatever happens in between.

    If the lab is up already, its hosts are reset, and it is left up, with the hosts that it lacked.

    Args:
        name: The lab's name; one of the test session's own, so that a user's lab `default` is not touched.
        hosts: Names of the topology's hosts; all without it.
        topology: Topology file.
        release: Debian release of the hosts, as `debian-13`; default: the topology's.
        engine: Major version of the Docker engine that the hosts can install; default: the release's own.

    Raises:
        RunbookError: As `Lab.up`.
    """
    lab = Lab.open(name, topology)
    if lab.up(hosts, release=release, engine=engine) is not Started.LAB:
        lab.reset()
        yield lab
        return
    try:
        yield lab
    finally:
        lab.down()


def reason_to_skip(kind: str = "container") -> str | None:
    """Return why this machine cannot run a kind of host; None if it can.

    Args:
        kind: A kind of host, as in the topology.

    Raises:
        InputError: The kind is unknown.
        RequirementError: This machine cannot run such hosts, and `$RUNBOOK_REQUIRE` demands that it can: one of its
            words is the kind's requirement (`lab` for containers, `vm` for VMs).
    """
    chosen = host_class(kind)
    try:
        chosen.check_requirements()
    except RequirementError as problem:
        if chosen.requirement in os.environ.get("RUNBOOK_REQUIRE", "").replace(",", " ").split():
            raise
        return str(problem)
    return None


@dataclass(frozen=True)
class Machine:
    """What a lab could leave behind on this machine; things of other labs do not count."""

    mounts: frozenset[str]
    links: frozenset[str]
    addresses: frozenset[str]
    processes: frozenset[int]
    cgroups: frozenset[str]
    files: frozenset[str]

    @classmethod
    def snapshot(cls, name: str) -> Machine:
        """Return the current state.

        Args:
            name: The lab's name.
        """
        with IPRoute() as kernel:
            links = frozenset(str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links())
            addresses = frozenset(str(address.get_attr("IFA_ADDRESS")) for address in kernel.get_addr())
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        cgroups = {str(path) for path in Path("/sys/fs/cgroup").glob(f"*/runbook-lab.{name}*")}
        cgroups |= {str(path) for path in Path("/sys/fs/cgroup").glob(f"runbook-lab.{name}*")}
        files = {path for top in (RUN, DATA) for path in top.glob(f"{name}*")}
        return cls(
            mounts=frozenset(line.split()[1] for line in mounts if f"/{name}/" in line),
            links=links,
            addresses=addresses,
            processes=frozenset(_processes(name)),
            cgroups=frozenset(cgroups),
            files=frozenset(str(path) for path in files),
        )


def _processes(name: str) -> Iterator[int]:
    """Yield the processes of a lab: those whose control group or command line contains the lab's name."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            text = (process / "cgroup").read_text(encoding="utf-8")
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # the process has exited meanwhile
        if is_zombie(int(process.name)):
            continue
        if f"runbook-lab.{name}/" in text or any(f"/{name}/".encode() in word for word in words):
            yield int(process.name)
