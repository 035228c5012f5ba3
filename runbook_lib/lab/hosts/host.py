"""What the lab asks of a host, whatever it is made of."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.errors import LabError
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.subprocesses import tail, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.ssh_endpoint import Reach
    from runbook_lib.lab.system.paths import Places
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["LabHost", "wait_for_login"]


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


def wait_for_login(places: Places, name: str, host: LabHost, timeout: float) -> None:
    """Wait for the SSH server's greeting, then for a login that succeeds.

    Args:
        places: The lab's places; the ssh_config is there.
        name: The host's name.
        host: The host.
        timeout: Seconds for each.

    Raises:
        LabError: It does not come, or the host went off; the hint shows the end of the console.
    """

    def greets() -> bool | None:
        if not host.running():
            raise LabError(
                "went off before it let anybody log in",
                where=name,
                hint=f"{host.console} ends with: {tail(host.console)}",
            )
        return host.answers() or None

    def lets_in() -> bool | None:
        command = ["ssh", "-F", str(places.ssh / "ssh_config"), name, "true"]
        login = subprocess.run(command, check=False, capture_output=True, timeout=60)
        return login.returncode == 0 or None

    wait_for(greets, f"the SSH server of {name}", timeout=timeout, log=host.console)
    wait_for(lets_in, f"a login on {name}", timeout=timeout, log=host.console)
