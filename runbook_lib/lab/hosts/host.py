"""What the lab asks of a host, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.lab.ssh_endpoint import wait_for_login
from runbook_lib.lab.system.cgroups import Cgroup

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.ssh_endpoint import Reach
    from runbook_lib.lab.system.paths import Places
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["LabHost"]


class LabHost(ABC):
    """A host of the lab; all that it runs is in a control group of its own.

    Args:
        places: The lab's.
        topology: What it is part of.
        plan: The host's part of that.
    """

    boot_timeout: ClassVar[float]
    """Seconds until it must let its user log in."""

    def __init__(self, places: Places, topology: Topology, plan: HostPlan) -> None:
        self._places = places
        self._topology = topology
        self._plan = plan
        self._cgroup = Cgroup(places.name, plan.name)

    @property
    def console(self) -> Path:
        """The log of what the host wrote on its console, all its boots."""
        return self._places.log(self._plan.name)

    @property
    @abstractmethod
    def reach(self) -> Reach:
        """Where its SSH server is."""

    @abstractmethod
    def build(self) -> str:
        """Return what the host starts from, building it once if need be."""

    @abstractmethod
    def prepare(self, lower: str) -> None:
        """Put the host's own files back to those of a freshly installed machine."""

    @abstractmethod
    def start(self) -> None:
        """Switch the host on and return at once."""

    def wait(self) -> None:
        """Return when the host lets its user log in.

        Raises:
            LabError: It does not come; the hint shows the end of the console.
        """
        wait_for_login(self._places, self._plan.name, self, self.boot_timeout)

    def running(self) -> bool:
        """Tell whether the host is switched on."""
        return bool(self._cgroup.processes())

    def answers(self) -> bool:
        """Tell whether its SSH server greets a connection from control within 1 s."""
        return self.running() and self.reach.greets()

    def stop(self) -> None:
        """Switch the host off at once, as pulling the plug does: what is not on its disk is lost."""
        self._cgroup.kill()
        self._cgroup.remove()
