"""The light kind of host: a booted container, on this machine's kernel."""

from __future__ import annotations

import shutil
import sys
import uuid
from pathlib import Path

from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.lab.hosts.host_files import identity
from runbook_lib.lab.hosts.overlay import place
from runbook_lib.lab.hosts.rootfs import root_filesystem
from runbook_lib.lab.ssh_endpoint import Reach
from runbook_lib.lab.ssh_keys import USERS
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.subprocesses import launch

__all__ = ["ContainerHost"]


class ContainerHost(LabHost):
    """A Debian that systemd-nspawn boots, on this machine's kernel."""

    boot_timeout = 60  # about 2 are needed

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
            *(sys.executable, "-m", "runbook_lib.lab.hosts.supervisor", self._places.name, self._plan.name),
            cgroups=Cgroup(self._places.name, f"{self._plan.name}/supervisor").create(),
            log=self.console,
        )
