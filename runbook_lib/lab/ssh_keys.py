"""A lab's SSH keys, generated per lab: one for the client and one per host; its known_hosts and ssh_config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.lab.system.directories import replace_if_different
from runbook_lib.lab.system.subprocesses import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.lab.ssh_endpoint import SshEndpoint
    from runbook_lib.lab.system.paths import LabPaths
    from runbook_lib.lab.topology import HostPlan

__all__ = ["USERS", "make_keys", "write_client_files"]

USERS = {"ops": 1000, "guest": 1001}
"""User name -> user id on every host, as `recipes/host.sh` creates them; `guest` has no sudo."""


def make_keys(paths: LabPaths, hosts: list[str]) -> None:
    """Generate the client's key and each host's; existing keys stay.

    Args:
        paths: The lab's files.
        hosts: The hosts' names.
    """
    paths.ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
    _key(paths.ssh / "id_ed25519", f"runbook lab {paths.name}")
    for host in hosts:
        _key(paths.ssh / f"{host}.host_ed25519", host)


def write_client_files(paths: LabPaths, hosts: Sequence[tuple[HostPlan, SshEndpoint]]) -> None:
    """Write known_hosts and ssh_config, so that `ssh -F …/ssh_config host-a` works.

    Args:
        paths: The lab's files.
        hosts: All hosts of the lab, each with its SSH server.
    """
    known = []
    config = []
    for host, endpoint in hosts:
        public = (paths.ssh / f"{host.name}.host_ed25519.pub").read_text(encoding="ascii").split()[:2]
        known.append(f"{host.name},{endpoint.known_as} {' '.join(public)}\n")
        config.append(
            f"Host {host.name} {host.address}\n  HostName {endpoint.address}\n  Port {endpoint.port}\n"
        )
        if endpoint.namespace:
            config.append(f"  ProxyCommand nsenter --net={endpoint.namespace} socat - TCP:%h:%p\n")
    config.append(
        "Host *\n"
        "  User ops\n"
        f"  IdentityFile {paths.ssh / 'id_ed25519'}\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {paths.ssh / 'known_hosts'}\n"
        "  GlobalKnownHostsFile none\n"
        "  StrictHostKeyChecking yes\n"
        "  UpdateHostKeys no\n"
        "  LogLevel ERROR\n"
        "  ConnectTimeout 10\n"
    )
    for name, lines in (("known_hosts", known), ("ssh_config", config)):
        replace_if_different(paths.ssh / name, "".join(lines).encode())


def _key(file: Path, comment: str) -> None:
    if file.with_name(f"{file.name}.pub").exists():
        return
    file.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file, what="generate an SSH key")
