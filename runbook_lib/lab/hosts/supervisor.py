"""A container's supervisor, in a mount namespace of its own: `python -m runbook_lib.lab.hosts.supervisor LAB HOST`.

The container's root overlay, its network namespace and what systemd-nspawn mounts are visible only in that mount
namespace, so the kernel removes them with its last process; nothing is mounted in this machine's own mount namespace.

When the container reboots, systemd-nspawn exits with 133: `--keep-unit` leaves the restart to the service manager,
here the supervisor. Each boot gets a new network namespace, because a booting machine has no bridges left.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from runbook_lib.errors import LabError, RunbookError
from runbook_lib.lab.state import LabState
from runbook_lib.lab.switch import create_namespace, plug_host
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.mounts import mounts_below, unmount
from runbook_lib.lab.system.paths import RUN, LabPaths
from runbook_lib.lab.system.subprocesses import in_cgroups, run

__all__ = ["STORES", "main", "supervise"]

_log = logging.getLogger(__name__)
STORES = ("docker", "containerd")
"""Directories in a host's data, and below /var/lib on the host, that are not part of its root overlay."""
_REBOOT = 133
_NSPAWN_RUN = Path("/run/systemd/nspawn")  # must be a tmpfs, and /run is not one on every machine
# Only /proc/sys/net and /sys/class/net belong to the container: any other setting would change this machine.
_ENVIRONMENT = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}


def supervise(paths: LabPaths, host: str) -> int:
    """Boot a host, and boot it again after each reboot, until it is powered off.

    Args:
        paths: The lab's files.
        host: The host's name.

    Returns:
        systemd-nspawn's exit code: 0 after a power-off.

    Raises:
        LabError: The lab or the host is unknown, or a mount failed.
    """
    state = _load(paths, host)
    data, namespace = paths.host_data(host), paths.host_run(host) / "network"
    root = data / "root"
    _unmount_other_labs(paths)
    _mount_root(state.roots[host], data, root)
    _NSPAWN_RUN.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "runbook-lab", _NSPAWN_RUN, what="mount nspawn's directory")
    while True:
        state = _load(paths, host)
        create_namespace(namespace)
        plug_host(state.name, state.hosts[host], paths.switch, namespace, set(state.faults))
        # A group of its own: with cgroup v2 no other process may be in a group that systemd-nspawn subdivides.
        machine = Cgroup(state.name, f"{host}/machine").create()
        argv = _nspawn(f"{state.name}-{host}", root, data, namespace)
        code = subprocess.call(
            in_cgroups(*argv, cgroups=machine), stdin=subprocess.DEVNULL, env={**os.environ, **_ENVIRONMENT}
        )
        unmount(namespace, "release the old network namespace")
        _log.warning("systemd-nspawn of %s exited with code %d", host, code)
        if code != _REBOOT:
            return code


def _load(paths: LabPaths, host: str) -> LabState:
    state = LabState.load(paths.state)
    if state is None or host not in state.roots:
        raise LabError(f"unknown host {host!r}", where=f"lab {paths.name}")
    return state


def _unmount_other_labs(paths: LabPaths) -> None:
    """Unmount our copies of other labs' namespaces, which would otherwise outlive those labs."""
    for target in mounts_below(RUN):
        if paths.run not in target.parents:
            unmount(target, "release another lab's namespace")


def _mount_root(lower: str, data: Path, root: Path) -> None:
    options = f"lowerdir={lower},upperdir={data / 'upper'},workdir={data / 'work'}"
    run(
        "mount",
        *("-t", "overlay", "runbook-lab", "-o", options, root),
        what="mount the host's root file system",
        hint="set RUNBOOK_LAB_DATA to a directory on a disk: an overlay cannot be stored in an overlay",
    )


def _nspawn(machine: str, root: Path, data: Path, namespace: Path) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        f"--machine={machine}",
        f"--directory={root}",
        f"--network-namespace-path={namespace}",
        "--capability=all",
        "--drop-capability=CAP_SYS_TIME",  # all hosts share this machine's clock: even setting a time zone moves it
        "--system-call-filter=add_key keyctl bpf",  # runc needs them
        # Docker's overlays cannot be stored in our overlay: neither its own, nor those that containerd keeps for it.
        *(f"--bind={data / name}:/var/lib/{name}" for name in STORES),
        "--console=read-only",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
    ]


def main() -> int:
    """Supervise the host that the command line names, with the host's console on standard output.

    Returns:
        The exit code.
    """
    logging.basicConfig(level=logging.WARNING, format="supervisor: %(message)s")
    lab, host = sys.argv[1:]
    try:
        return supervise(LabPaths(lab), host)
    except RunbookError as problem:
        _log.critical("%s", problem)
        return problem.exit_code


if __name__ == "__main__":
    sys.exit(main())
