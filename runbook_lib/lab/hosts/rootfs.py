"""The hosts' root file system: a minimal Debian with systemd and sshd, built once by mmdebstrap."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

from runbook_lib.lab.system.apt_sources import debian_sources, machine_proxy
from runbook_lib.lab.system.build_cache import built_once
from runbook_lib.lab.system.subprocesses import joined, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["APT_CONFIGURATION", "LEFT_OUT", "PACKAGES", "bootstrap", "recipe", "root_filesystem"]

# No Docker: installing it is a runbook. No python: runbooks must not need it on a host.
PACKAGES = (
    "bridge-utils", "ca-certificates", "dbus", "ifupdown", "init", "iproute2", "iputils-ping", "kmod",
    "netbase", "openssh-server", "procps", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
"""What every host has, whatever it is made of."""
# A cache that works without a network serves indexes past their date; signatures are checked all the same.
APT_CONFIGURATION = {
    "Acquire::Check-Valid-Until": "false",
    "Acquire::Languages": "none",
    "APT::Install-Recommends": "false",
}
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_HINT = "the first build needs the package repositories; see that `apt-get update` works"
_BUILD_TIMEOUT = 900  # seconds


def root_filesystem(distribution: str) -> Path:
    """Return the directory of the root file system, building it on the first call (about 25 s)."""
    scripts = [recipe("host.sh"), recipe("container.sh")]
    everything = {
        "distribution": distribution,
        "packages": PACKAGES,
        "scripts": scripts,
        "left out": LEFT_OUT,
    }

    def build(directory: Path, cgroups: Sequence[Path]) -> None:
        options = (f"--include={','.join(PACKAGES)}", f"--customize-hook={''.join(scripts)}")
        bootstrap(distribution, directory / "root", cgroups, *options)

    return built_once("rootfs", everything, build) / "root"


def recipe(name: str) -> str:
    """Return the text of a script that ships with the lab."""
    return resources.files("runbook_lib.lab").joinpath("recipes", name).read_text(encoding="utf-8")


def bootstrap(distribution: str, target: Path, cgroups: Sequence[Path], *options: str) -> None:
    """Make a minimal Debian, from where this machine gets its packages.

    Args:
        distribution: Code name.
        target: A new directory, or a file that ends in `.tar`.
        cgroups: Cgroups to work in.
        options: More of mmdebstrap's.

    Raises:
        LabError: mmdebstrap failed.
        RequirementError: This machine's apt knows no Debian repository.
    """
    proxy = machine_proxy()
    argv: list[str | Path] = [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        *(f'--aptopt={name} "{value}"' for name, value in APT_CONFIGURATION.items()),
        *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy else []),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        *options,
        distribution,
        target,
        *(source.line for source in debian_sources(distribution)),
    ]
    run(
        *joined(*argv, cgroups=cgroups),
        what=f"build a minimal Debian {distribution}",
        hint=_HINT if os.geteuid() == 0 else f"{_HINT}; an ordinary user needs a line in /etc/subuid too",
        timeout=_BUILD_TIMEOUT,
    )
