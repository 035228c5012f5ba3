"""Build a minimal Debian root file system with mmdebstrap."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runbook_lib.lab.system.apt_sources import debian_sources, machine_proxy
from runbook_lib.lab.system.stages import detail
from runbook_lib.lab.system.subprocesses import in_cgroups, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["APT_CONFIGURATION", "EXCLUDED_PATHS", "bootstrap"]

# A package cache without a network serves indexes past their expiry date; signatures are still checked.
APT_CONFIGURATION = {
    "Acquire::Check-Valid-Until": "false",
    "Acquire::Languages": "none",
    "APT::Install-Recommends": "false",
}
EXCLUDED_PATHS = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_HINT = "the first build needs the package repositories: check that `apt-get update` works"
_BUILD_TIMEOUT = 900  # seconds


def bootstrap(distribution: str, target: Path, cgroups: Sequence[Path], *options: str) -> None:
    """Build a minimal Debian, from the repositories that this machine's apt uses.

    Args:
        distribution: Debian's code name, such as `bookworm`.
        target: A new directory, or a file that ends in `.tar`.
        cgroups: Control groups to run in.
        options: Further options of mmdebstrap.

    Raises:
        LabError: mmdebstrap failed.
        RequirementError: This machine's apt has no Debian repository.
    """
    proxy = machine_proxy()
    argv: list[str | Path] = [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        *(f'--aptopt={name} "{value}"' for name, value in APT_CONFIGURATION.items()),
        *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy else []),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED_PATHS),
        *options,
        distribution,
        target,
        *(source.line for source in debian_sources(distribution)),
    ]
    detail(f"packages of a minimal Debian {distribution}")
    run(
        *in_cgroups(*argv, cgroups=cgroups),
        what=f"build a minimal Debian {distribution}",
        hint=_HINT if os.geteuid() == 0 else f"{_HINT}; an ordinary user needs a line in /etc/subuid too",
        timeout=_BUILD_TIMEOUT,
    )
