"""What the lab asks of a host, whatever kind it is."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from runbook_lib import system_requirements
from runbook_lib.errors import LabError
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.stages import stage
from runbook_lib.lab.system.subprocesses import attempt, tail, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.ssh_endpoint import SshEndpoint
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import HostPlan, Topology

__all__ = ["LabHost", "wait_for_login"]

_BANNER = 20.0  # seconds; each further connection would cost a slow host another process
_SCRIPT_END = (
    30.0  # seconds beyond a script's time: the host itself ends it, unless the host hangs or is cut off
)
_TIMED_OUT = {124, 137}  # exit codes of timeout(1): after TERM, after KILL


class LabHost(ABC):
    """A host of the lab. A new kind of host is a subclass and an entry point (see `lab.hosts.registry`).

    Two rules make `runbook lab down` work after any crash, without loading this class: every process of the host joins
    the host's control group before its program starts (`start_detached(..., cgroups=...)`), and every file of the host
    is below `paths.host_run(name)` or `paths.host_data(name)`.

    Args:
        paths: The lab's files.
        topology: The lab's topology.
        plan: This host's part of the topology.
    """

    requirement: ClassVar[str]
    """The part of `system_requirements.PARTS` that such a host needs; the word for it in `$RUNBOOK_REQUIRE`."""
    inventory_kind: ClassVar[Literal["container", "vm"]]
    """The host's `kind` in the inventory: `vm` if it has a kernel of its own, else `container`."""
    uses_switch: ClassVar[bool] = False
    """Whether the host's interfaces are plugged into the lab's switch, so that `cable` and `unplug` can break them."""
    starts_by_default: ClassVar[bool] = True
    """Whether `runbook lab up` without --hosts starts such hosts. If not, `Lab.up()` without hosts starts them only
    where this machine meets their requirements."""
    boot_timeout: ClassVar[float]
    """Seconds within which the host must allow a login after it was started."""
    script_timeout: ClassVar[float] = 180.0
    """Seconds within which a script of a fault must end: an engine that restarts stops its containers first."""

    def __init__(self, paths: LabPaths, topology: Topology, plan: HostPlan) -> None:
        self._paths = paths
        self._topology = topology
        self._plan = plan
        self._cgroup = Cgroup(paths.name, plan.name)

    @classmethod
    def check_requirements(cls) -> None:
        """Do nothing if this machine can run such hosts.

        Raises:
            RequirementError: A program or a privilege is missing.
        """
        system_requirements.require(cls.requirement)

    @classmethod  # noqa: B027 - a kind may accept any plan
    def check_plan(cls, plan: HostPlan, where: str) -> None:
        """Refuse a plan that a host of this kind cannot fulfil; the default accepts any plan.

        Args:
            plan: The host as the topology describes it.
            where: File, line and host, for the error.

        Raises:
            InputError: The plan asks for something this kind of host does not have.
        """

    @property
    def console(self) -> Path:
        """The log of everything the host wrote to its console, over all its boots."""
        return self._paths.log(self._plan.name)

    @property
    @abstractmethod
    def ssh_endpoint(self) -> SshEndpoint:
        """Where the host's SSH server is."""

    @abstractmethod
    def build(self) -> str:
        """Return the path of what such hosts start from, such as a root file system; build it on the first call."""

    @abstractmethod
    def prepare(self, base: str) -> None:
        """Reset the host's own files to those of a freshly installed machine.

        Args:
            base: What `build` returned.
        """

    @abstractmethod
    def start(self) -> None:
        """Switch the host on and return at once."""

    def wait(self) -> None:
        """Return when the host lets its user log in.

        Raises:
            LabError: The host does not allow a login within `boot_timeout`; the hint shows the end of its console.
        """
        with stage(f"boot {self._plan.name}, until it allows a login"):
            wait_for_login(self._paths, self._plan.name, self, self.boot_timeout)

    def execute(self, script: str) -> None:
        """Run a script as root on the host, for a fault or its repair; default: over SSH.

        Args:
            script: For `sh -e`.

        Raises:
            LabError: The host cannot be reached, or the script failed.
        """
        config = self._paths.ssh / "ssh_config"
        self._execute(["ssh", "-F", str(config), self._plan.name, "sudo"], script)

    def _execute(self, shell: list[str], script: str) -> None:
        """Run a script on the host, by a command line that a program on the host is appended to."""
        # A script that only its client has given up goes on, next to the repair.
        limit = ["timeout", "--kill-after=5", f"{self.script_timeout:g}"]
        try:
            done = subprocess.run(
                [*shell, *limit, "sh", "-e"],
                input=script,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.script_timeout + _SCRIPT_END,
            )
        except subprocess.TimeoutExpired as late:
            raise self._late() from late
        if done.returncode in _TIMED_OUT:
            raise self._late()
        if done.returncode != 0:
            output = (done.stderr or done.stdout).strip().splitlines()[-1:] or [
                f"exit code {done.returncode}"
            ]
            raise LabError(output[0], where=self._plan.name)

    def _late(self) -> LabError:
        return LabError(f"a script did not end within {self.script_timeout:g} s", where=self._plan.name)

    def running(self) -> bool:
        """Return whether the host is switched on."""
        return bool(self._cgroup.processes())

    def answers(self) -> bool:
        """Return whether the host's SSH server answers within 1 s."""
        return self.running() and self.ssh_endpoint.sends_banner()

    def stop(self) -> None:
        """Cut the host's power: what it has not written to its disk is lost."""
        self._cgroup.kill()
        self._cgroup.remove()


def wait_for_login(paths: LabPaths, name: str, host: LabHost, timeout: float) -> None:
    """Wait for the SSH server's banner, then for a login that succeeds.

    Args:
        paths: The lab's files; the ssh_config is one of them.
        name: The host's name.
        host: The host.
        timeout: Seconds for each of the two.

    Raises:
        LabError: No login within the timeout, or the host went off; the hint shows the end of its console.
    """

    def banner_received() -> bool | None:
        if not host.running():
            raise LabError(
                "the host went off before it allowed a login",
                where=name,
                hint=f"{host.console} ends with: {tail(host.console)}",
            )
        return host.ssh_endpoint.sends_banner(_BANNER) or None

    wait_for(banner_received, f"the SSH server of {name}", timeout=timeout, log=host.console)
    login = ["ssh", "-F", str(paths.ssh / "ssh_config"), name, "true"]
    wait_for(lambda: attempt(login, timeout), f"a login on {name}", timeout=timeout, log=host.console)
