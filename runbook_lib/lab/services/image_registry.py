"""The lab's image registry: Debian's docker-registry, which serves the built images read-only.

The registry listens on a Unix socket, so that no port of this machine is opened. QEMU connects VMs to that socket;
for containers, socat listens in the control namespace and forwards to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.lab.system.subprocesses import start_detached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.system.paths import LabPaths

__all__ = ["PORT", "registry_configuration", "registry_socket", "start_registry", "start_relay"]

PORT = 5000


def registry_configuration(storage: Path, address: str | Path, *, read_only: bool) -> str:
    """Return a configuration for docker-registry, as JSON, which is also YAML.

    Args:
        storage: Directory of the images.
        address: Address and port to listen on, or the path of a Unix socket.
        read_only: Whether pushes are refused.
    """
    network = "unix" if isinstance(address, Path) else "tcp"
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        },
        "http": {"net": network, "addr": str(address), "secret": "one process: no upload is resumed"},
    }
    return json.dumps(configuration, indent=1)


def registry_socket(paths: LabPaths) -> Path:
    """Return the socket that the lab's registry listens on.

    Args:
        paths: The lab's files.
    """
    return paths.run / "registry.socket"


def start_registry(paths: LabPaths, storage: Path, cgroups: Sequence[Path]) -> None:
    """Start the registry on the lab's socket.

    Args:
        paths: The lab's files.
        storage: Directory of the images.
        cgroups: Control groups to run in.

    Raises:
        LabError: The control groups cannot be joined.
    """
    file = paths.run / "registry.json"
    text = registry_configuration(storage, registry_socket(paths), read_only=True)
    file.write_text(text, encoding="utf-8")
    start_detached("docker-registry", "serve", file, cgroups=cgroups, log=paths.log("registry"))


def start_relay(paths: LabPaths, address: str, cgroups: Sequence[Path]) -> None:
    """Make the registry reachable at `address`:5000 in the control namespace.

    Args:
        paths: The lab's files.
        address: Control's IP address.
        cgroups: Control groups to run in.

    Raises:
        LabError: The control groups cannot be joined.
    """
    start_detached(
        *("nsenter", f"--net={paths.control}", "socat", f"TCP4-LISTEN:{PORT},bind={address},fork,reuseaddr"),
        f"UNIX-CONNECT:{registry_socket(paths)}",
        cgroups=cgroups,
        log=paths.log("registry"),
    )
