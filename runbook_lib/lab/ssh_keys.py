"""Keys of a lab, one for the client and one for each host, made anew for each; an ssh_config for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.lab.system.paths import replace_text
from runbook_lib.lab.system.subprocesses import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.lab.ssh_endpoint import Reach
    from runbook_lib.lab.system.paths import Places
    from runbook_lib.lab.topology import HostPlan

__all__ = ["USERS", "make_keys", "write_client_files"]

USERS = {"ops": 1000, "guest": 1001}  # of the root file system; guest has no sudo


def make_keys(places: Places, hosts: list[str]) -> None:
    """Make the client's key and each host's; keys that are there already stay."""
    places.ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
    _key(places.ssh / "id_ed25519", f"runbook lab {places.name}")
    for host in hosts:
        _key(places.ssh / f"{host}.host_ed25519", host)


def write_client_files(places: Places, hosts: Sequence[tuple[HostPlan, Reach]]) -> None:
    """Write known_hosts and ssh_config: `ssh -F …/ssh_config host-a` works for people and programs."""
    known = []
    config = []
    for host, reach in hosts:
        public = (places.ssh / f"{host.name}.host_ed25519.pub").read_text(encoding="ascii").split()[:2]
        known.append(f"{host.name},{reach.known_as} {' '.join(public)}\n")
        config.append(f"Host {host.name} {host.address}\n  HostName {reach.address}\n  Port {reach.port}\n")
        if reach.namespace:
            config.append(f"  ProxyCommand nsenter --net={reach.namespace} socat - TCP:%h:%p\n")
    config.append(
        "Host *\n"
        "  User ops\n"
        f"  IdentityFile {places.ssh / 'id_ed25519'}\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {places.ssh / 'known_hosts'}\n"
        "  GlobalKnownHostsFile none\n"
        "  StrictHostKeyChecking yes\n"
        "  UpdateHostKeys no\n"
        "  LogLevel ERROR\n"
        "  ConnectTimeout 10\n"
    )
    replace_text(places.ssh / "known_hosts", "".join(known))
    replace_text(places.ssh / "ssh_config", "".join(config))


def _key(file: Path, comment: str) -> None:
    if file.with_name(f"{file.name}.pub").exists():
        return
    file.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file, what="make an SSH key")
