"""What the lab asks of a host, whatever it is made of, and the light kind: a booted container."""

from __future__ import annotations

import shutil
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runbook_lib.lab.cgroups import Cgroup
from runbook_lib.lab.identity import identity
from runbook_lib.lab.layer import place
from runbook_lib.lab.programs import launch
from runbook_lib.lab.reach import Reach, wait_for_login
from runbook_lib.lab.rootfs import root_filesystem
from runbook_lib.lab.ssh import USERS
from runbook_lib.lab.vm import VmHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.lab.places import Places
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["KINDS", "ContainerHost", "LabHost"]

_BOOT_TIMEOUT = 60  # seconds; a container needs about 2


class LabHost(Protocol):
    """A host of the lab. A new kind is a class with these methods and a line in `KINDS`."""

    @property
    def console(self) -> Path:
        """The log of what the host wrote on its console."""

    @property
    def reach(self) -> Reach:
        """Where its SSH server is."""

    def build(self) -> str:
        """Return what the host starts from, building it once if need be."""

    def prepare(self, lower: str) -> None:
        """Put the host's own files back to those of a freshly installed machine."""

    def start(self) -> None:
        """Switch the host on and return at once."""

    def wait(self) -> None:
        """Return when the host lets its user log in."""

    def running(self) -> bool:
        """Tell whether the host is switched on."""

    def answers(self) -> bool:
        """Tell whether its SSH server greets control."""

    def stop(self) -> None:
        """Switch the host off at once, as pulling the plug does."""


class ContainerHost:
    """A Debian that systemd-nspawn boots, on this machine's kernel."""

    def __init__(self, places: Places, topology: Topology, plan: HostPlan) -> None:
        self._places = places
        self._topology = topology
        self._plan = plan
        self._cgroup = Cgroup(places.name, plan.name)

    @property
    def console(self) -> Path:
        """The log of the host's console, all its boots."""
        return self._places.log(self._plan.name)

    @property
    def reach(self) -> Reach:
        """The host's own address, from the control namespace."""
        return Reach(self._plan.address, namespace=self._places.control)

    def build(self) -> str:
        """Return the directory of the root file system."""
        return str(root_filesystem(self._plan.distribution))

    def prepare(self, lower: str) -> None:
        """Empty the host's writable layer and write what makes it this host."""
        data = self._places.host_data(self._plan.name)
        shutil.rmtree(data, ignore_errors=True)
        for part in ("upper", "work", "root", "docker"):
            (data / part).mkdir(parents=True)
        self._places.host_run(self._plan.name).mkdir(parents=True, exist_ok=True)
        self.console.parent.mkdir(exist_ok=True)
        files = identity(self._topology, self._plan) | {"etc/machine-id": f"{uuid.uuid4().hex}\n"}
        for name, text in files.items():
            place(Path(lower), data / "upper", name, text)
        key = self._places.ssh / f"{self._plan.name}.host_ed25519"
        place(Path(lower), data / "upper", "etc/ssh/ssh_host_ed25519_key", key.read_text(), mode=0o600)
        client = (self._places.ssh / "id_ed25519.pub").read_text()
        for user, uid in USERS.items():
            name = f"home/{user}/.ssh/authorized_keys"
            place(Path(lower), data / "upper", name, client, mode=0o600, owner=uid)

    def start(self) -> None:
        """Start the supervisor; the kernel forgets its mounts with it."""
        launch(
            *("unshare", "--mount", "--propagation", "private"),
            *(sys.executable, "-m", "runbook_lib.lab.supervisor", self._places.name, self._plan.name),
            cgroups=Cgroup(self._places.name, f"{self._plan.name}/supervisor").create(),
            log=self.console,
        )

    def wait(self) -> None:
        """Wait for a login that succeeds.

        Raises:
            LabError: It does not come; the hint shows the end of the console.
        """
        wait_for_login(self._places, self._plan.name, self, _BOOT_TIMEOUT)

    def running(self) -> bool:
        """Tell whether anything of the host runs."""
        return bool(self._cgroup.processes())

    def answers(self) -> bool:
        """Tell whether the SSH server greets a connection from control within 1 s."""
        return self.reach.greets()

    def stop(self) -> None:
        """End every process of the host, its init included."""
        self._cgroup.kill()
        self._cgroup.remove()


KINDS: dict[str, Callable[[Places, Topology, HostPlan], LabHost]] = {
    "container": ContainerHost,
    "vm": VmHost,
}
