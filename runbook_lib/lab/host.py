"""What the lab asks of a host, whatever it is made of, and the kind that exists: a booted container."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runbook_lib.connections.namespace import open_socket
from runbook_lib.lab import packages
from runbook_lib.lab.apt import debian_sources
from runbook_lib.lab.cgroups import Cgroup
from runbook_lib.lab.layer import place
from runbook_lib.lab.programs import launch, wait_for
from runbook_lib.lab.rootfs import APT_CONFIGURATION, root_filesystem
from runbook_lib.lab.ssh import USERS

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

    def build(self) -> str:
        """Return the root file system the host starts from, building it once if need be."""

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
        for name, text in self._identity().items():
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
        """Wait for the SSH server's greeting, then for a login that succeeds.

        Raises:
            LabError: It does not come; the hint shows the end of the console.
        """

        def greets() -> bool | None:
            return self.answers() or None

        def lets_in() -> bool | None:
            config = self._places.ssh / "ssh_config"
            login = subprocess.run(
                ["ssh", "-F", str(config), self._plan.name, "true"],
                check=False,
                capture_output=True,
                timeout=20,
            )
            return login.returncode == 0 or None

        wait_for(greets, f"the SSH server of {self._plan.name}", timeout=_BOOT_TIMEOUT, log=self.console)
        wait_for(lets_in, f"a login on {self._plan.name}", timeout=_BOOT_TIMEOUT, log=self.console)

    def running(self) -> bool:
        """Tell whether anything of the host runs."""
        return bool(self._cgroup.processes())

    def answers(self) -> bool:
        """Tell whether the SSH server greets a connection from control within 1 s."""
        try:
            with open_socket(str(self._places.control), self._plan.address, 22, 1.0) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self) -> None:
        """End every process of the host, its init included."""
        self._cgroup.kill()
        self._cgroup.remove()

    def _identity(self) -> dict[str, str]:
        hosts = self._topology.hosts.values()
        names = [f"{self._topology.control.ip}\tcontrol\n", *(f"{h.address}\t{h.name}\n" for h in hosts)]
        sources = [s.through_cache.line + "\n" for s in debian_sources(self._plan.distribution)]
        proxy = {"Acquire::http::Proxy": f"http://{self._topology.control.ip}:{packages.PORT}"}
        apt = [f'{name} "{value}";\n' for name, value in (APT_CONFIGURATION | proxy).items()]
        return {
            "etc/hostname": f"{self._plan.name}\n",
            "etc/hosts": "".join(["127.0.0.1\tlocalhost\n", *names]),
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            "etc/network/interfaces": _interfaces(self._plan),
            "etc/apt/sources.list": "".join(sources),
            "etc/apt/apt.conf.d/90lab": "".join(apt),
        }


def _interfaces(plan: HostPlan) -> str:
    """Return the host's /etc/network/interfaces (interfaces(5)), as its installer would have left it."""
    text = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
    for name, interface in plan.interfaces.items():
        text += f"\nauto {name}\n"
        if interface.address is None:
            text += f"iface {name} inet manual\n    up ip link set dev $IFACE up\n"
            text += "    down ip link set dev $IFACE down\n"
            continue
        text += f"iface {name} inet static\n    address {interface.address}\n"
        if interface.gateway:
            text += f"    gateway {interface.gateway}\n"
    return text


KINDS: dict[str, Callable[[Places, Topology, HostPlan], LabHost]] = {"container": ContainerHost}
