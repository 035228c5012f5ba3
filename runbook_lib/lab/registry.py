"""The lab's image registry: Debian's docker-registry in the control namespace, read-only over the cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbook_lib.lab.programs import launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.lab.places import Places

__all__ = ["PORT", "registry_configuration", "start_registry"]

PORT = 5000


def registry_configuration(storage: Path, address: str, *, read_only: bool) -> str:
    """Return a configuration for docker-registry; it reads YAML, so JSON too."""
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        },
        "http": {"addr": address, "secret": "one process, no upload is ever resumed"},
    }
    return json.dumps(configuration, indent=1)


def start_registry(places: Places, storage: Path, address: str, cgroups: Sequence[Path]) -> None:
    """Serve a registry's storage at `address`:5000 in the control namespace."""
    file = places.run / "registry.json"
    file.write_text(registry_configuration(storage, f"{address}:{PORT}", read_only=True), encoding="utf-8")
    launch(
        *("nsenter", f"--net={places.control}", "docker-registry", "serve", file),
        cgroups=cgroups,
        log=places.log("registry"),
    )
