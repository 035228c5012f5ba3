"""One host's life, in a mount namespace of its own: `python -m runbook_lib.lab.hosts.supervisor LAB HOST`.

The host's root overlay, its network namespace and what systemd-nspawn mounts are seen only in here, so the
kernel takes them away with the last process; nothing of a host is ever mounted in this machine's own view.

A reboot ends systemd-nspawn with 133: `--keep-unit` leaves starting again to the service manager, here us.
The network namespace is made anew each time: a booting machine has no bridges left from before.
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
from runbook_lib.lab.system.paths import RUN, Places, mounts_below
from runbook_lib.lab.system.subprocesses import joined, run

__all__ = ["main", "supervise"]

_log = logging.getLogger(__name__)
_REBOOT = 133
_NSPAWN_RUN = Path("/run/systemd/nspawn")  # must be a tmpfs; on some machines /run itself is none
# Only /proc/sys/net and /sys/class/net are the host's own: anything else it sets is set on this machine.
_ENVIRONMENT = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}


def supervise(places: Places, host: str) -> int:
    """Boot a host, again after each of its reboots, until it is powered off.

    Returns:
        systemd-nspawn's exit code: 0 after a power-off.

    Raises:
        LabError: The lab or the host is unknown, or a mount is refused.
    """
    state = _load(places, host)
    data, namespace = places.host_data(host), places.host_run(host) / "network"
    root = data / "root"
    _let_go_of_other_labs(places)
    _mount_root(state.roots[host], data, root)
    _NSPAWN_RUN.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "runbook-lab", _NSPAWN_RUN, what="mount nspawn's directory")
    while True:
        state = _load(places, host)
        create_namespace(namespace)
        plug_host(state.name, state.hosts[host], places.switch, namespace, set(state.faults))
        # A group of its own: with cgroup v2 systemd-nspawn must be alone where it divides its group.
        machine = Cgroup(state.name, f"{host}/machine").create()
        argv = _nspawn(f"{state.name}-{host}", root, data / "docker", namespace)
        code = subprocess.call(
            joined(*argv, cgroups=machine), stdin=subprocess.DEVNULL, env={**os.environ, **_ENVIRONMENT}
        )
        run("umount", namespace, what="let go of the old network namespace")
        _log.warning("%s ended with %d", host, code)
        if code != _REBOOT:
            return code


def _load(places: Places, host: str) -> LabState:
    state = LabState.load(places.state)
    if state is None or host not in state.roots:
        raise LabError(f"no host {host!r}", where=f"lab {places.name}")
    return state


def _let_go_of_other_labs(places: Places) -> None:
    """Unmount our copies of other labs' namespaces: they would outlive those labs."""
    for target in mounts_below(RUN):
        if places.run not in target.parents:
            run("umount", target, what="let go of another lab's namespace")


def _mount_root(lower: str, data: Path, root: Path) -> None:
    options = f"lowerdir={lower},upperdir={data / 'upper'},workdir={data / 'work'}"
    run(
        "mount",
        *("-t", "overlay", "runbook-lab", "-o", options, root),
        what="mount the host's root file system",
        hint="set RUNBOOK_LAB_DATA to a directory on a disk: an overlay cannot lie on an overlay",
    )


def _nspawn(machine: str, root: Path, docker: Path, namespace: Path) -> list[str]:
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
        "--system-call-filter=add_key keyctl bpf",  # runc wants them
        f"--bind={docker}:/var/lib/docker",  # its own overlays cannot lie on ours
        "--console=read-only",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
    ]


def main() -> int:
    """Supervise the host that the command line names; its console is our standard output."""
    logging.basicConfig(level=logging.WARNING, format="supervisor: %(message)s")
    lab, host = sys.argv[1:]
    try:
        return supervise(Places(lab), host)
    except RunbookError as problem:
        _log.critical("%s", problem)
        return problem.exit_code


if __name__ == "__main__":
    sys.exit(main())
