"""The lab's image registry: Debian's docker-registry, read-only over the cache.

It listens on a Unix socket, so that it opens no port of this machine; VMs are handed that socket, and in the
control namespace socat offers it to containers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.lab.system.subprocesses import launch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.lab.system.paths import Places

__all__ = ["PORT", "registry_configuration", "registry_socket", "start_registry", "start_relay"]

PORT = 5000


def registry_configuration(storage: Path, address: str | Path, *, read_only: bool) -> str:
    """Return a configuration for docker-registry; it reads YAML, so JSON too.

    Args:
        storage: Where the images are.
        address: Address and port to listen on, or the path of a Unix socket.
        read_only: Take no images.
    """
    network = "unix" if isinstance(address, Path) else "tcp"
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        },
        "http": {"net": network, "addr": str(address), "secret": "one process, no upload is ever resumed"},
    }
    return json.dumps(configuration, indent=1)


def registry_socket(places: Places) -> Path:
    """Return the socket that the lab's registry listens on."""
    return places.run / "registry.socket"


def start_registry(places: Places, storage: Path, cgroups: Sequence[Path]) -> None:
    """Serve a registry's storage on the lab's socket."""
    file = places.run / "registry.json"
    text = registry_configuration(storage, registry_socket(places), read_only=True)
    file.write_text(text, encoding="utf-8")
    launch("docker-registry", "serve", file, cgroups=cgroups, log=places.log("registry"))


def start_relay(places: Places, address: str, cgroups: Sequence[Path]) -> None:
    """Offer the registry at `address`:5000 in the control namespace."""
    launch(
        *("nsenter", f"--net={places.control}", "socat", f"TCP4-LISTEN:{PORT},bind={address},fork,reuseaddr"),
        f"UNIX-CONNECT:{registry_socket(places)}",
        cgroups=cgroups,
        log=places.log("registry"),
    )
