"""For tests: a lab that is up for as long as a `with` block, and what the machine has before and after."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from runbook_lib import system_requirements
from runbook_lib.errors import RequirementError
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.system.cgroups import is_zombie
from runbook_lib.lab.system.paths import DATA, RUN
from runbook_lib.lab.topology import DEFAULT_TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CONTAINERS", "Machine", "reason_to_skip", "running_lab"]

CONTAINERS = ("host-a", "host-b")
"""The hosts of the project's own topology that are there within seconds."""


@contextlib.contextmanager
def running_lab(
    name: str, hosts: Sequence[str] | None = None, topology: str | Path = DEFAULT_TOPOLOGY
) -> Iterator[Lab]:
    """Bring a lab up, hand it over, and take it down, whatever happens in between.

    A lab of that name that is up already is used, put back to new, and left up.

    Args:
        name: The lab's name. A test session's own, so that it does not meet a user's `default`.
        hosts: Names of the topology's hosts; all without it.
        topology: Topology file.

    Raises:
        RunbookError: As `Lab.up`.
    """
    lab = Lab.open(name, topology)
    if not lab.up(hosts):
        lab.reset()
        yield lab
        return
    try:
        yield lab
    finally:
        lab.down()


def reason_to_skip(part: str = "lab") -> str | None:
    """Return why this machine cannot have a lab; None when it can.

    Args:
        part: `lab` for containers, `vm` for VMs.

    Raises:
        RequirementError: It cannot, yet is meant to: `$RUNBOOK_REQUIRE` has the part's name.
    """
    try:
        system_requirements.need(part)
    except RequirementError as lacking:
        if part in os.environ.get("RUNBOOK_REQUIRE", "").replace(",", " ").split():
            raise
        return str(lacking)
    return None


@dataclass(frozen=True)
class Machine:
    """What labs could leave behind on this machine, apart from what other labs have."""

    mounts: frozenset[str]
    links: frozenset[str]
    addresses: frozenset[str]
    processes: frozenset[int]
    cgroups: frozenset[str]
    files: frozenset[str]

    @classmethod
    def look(cls, name: str) -> Machine:
        """Return what there is now.

        Args:
            name: The lab's name: cgroups and files of other labs do not count.
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
    """Yield the living processes of a lab: those whose control group or command line has its name."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            text = (process / "cgroup").read_text(encoding="utf-8")
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked
        if is_zombie(int(process.name)):
            continue
        if f"runbook-lab.{name}/" in text or any(f"/{name}/".encode() in word for word in words):
            yield int(process.name)
