"""The host kind `container`: a booted Debian on this machine's kernel, up within seconds."""

from __future__ import annotations

import shutil
import sys
import uuid
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.hosts.host import LabHost
from runbook_lib.lab.hosts.host_files import identity_files
from runbook_lib.lab.hosts.network_files import PRIVATE, STACK_PACKAGES
from runbook_lib.lab.hosts.overlay import write_file
from runbook_lib.lab.hosts.rootfs import root_filesystem
from runbook_lib.lab.hosts.supervisor import STORES
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.ssh_keys import USERS
from runbook_lib.lab.system.cgroups import Cgroup, inner_pids
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.subprocesses import start_detached

__all__ = ["ContainerHost"]

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerHost(LabHost):
    """A Debian that systemd-nspawn boots, on this machine's kernel."""

    requirement = "lab"
    inventory_kind = "container"
    uses_switch = True
    boot_timeout = 180  # about 2 are needed; with a load of 15 per core a new Debian 13 took more than 60

    @property
    def ssh_endpoint(self) -> SshEndpoint:
        """The host's own address, reached from the control namespace."""
        return SshEndpoint(self._plan.address, namespace=self._paths.control)

    def build(self) -> str:
        """Return the directory of the root file system."""
        return str(root_filesystem(self._plan.distribution, STACK_PACKAGES[self._plan.network_stack]))

    def prepare(self, base: str) -> None:
        """Empty the host's writable layer and write the files that differ from host to host."""
        data = self._paths.host_data(self._plan.name)
        shutil.rmtree(data, ignore_errors=True)
        make_private(data)
        for part in ("upper", "work", "root", *STORES):
            (data / part).mkdir()
        self._paths.host_run(self._plan.name).mkdir(parents=True, exist_ok=True)
        self.console.parent.mkdir(exist_ok=True)
        files = identity_files(self._topology, self._plan) | {"etc/machine-id": f"{uuid.uuid4().hex}\n"}
        lower, upper = Path(base), data / "upper"
        for name, text in files.items():
            write_file(lower, upper, name, text, mode=0o600 if name.startswith(PRIVATE) else 0o644)
        key = self._paths.ssh / f"{self._plan.name}.host_ed25519"
        write_file(lower, upper, "etc/ssh/ssh_host_ed25519_key", key.read_text(), mode=0o600)
        client = (self._paths.ssh / "id_ed25519.pub").read_text()
        for user, uid in USERS.items():
            write_file(lower, upper, f"home/{user}/.ssh/authorized_keys", client, mode=0o600, owner=uid)

    def execute(self, script: str) -> None:
        """Run a script as root on the host, also if it is cut off the network: inside of its namespaces.

        Args:
            script: For `sh -e`.

        Raises:
            LabError: The host is off, or the script failed.
        """
        # Docker's containers on the host have an init each too, in process namespaces further inside.
        inside = {process: inner_pids(process) for process in self._cgroup.processes()}
        inits = [process for process, pids in inside.items() if pids[-1:] == [1]]
        leader = min(inits, key=lambda process: len(inside[process]), default=None)
        if leader is None:
            raise LabError(
                "the host is off",
                where=self._plan.name,
                hint=f"`runbook lab up{name_option(self._paths.name)}` switches it on",
            )
        self._execute(["nsenter", f"--target={leader}", "--all", "env", "-i", _PATH], script)

    def start(self) -> None:
        """Start the host's supervisor, in a mount namespace that ends with it."""
        start_detached(
            *("unshare", "--mount", "--propagation", "private"),
            *(sys.executable, "-m", "runbook_lib.lab.hosts.supervisor", self._paths.name, self._plan.name),
            cgroups=Cgroup(self._paths.name, f"{self._plan.name}/supervisor").create(),
            log=self.console,
        )
