"""The hosts' root file system: a minimal Debian with systemd and sshd, built once by mmdebstrap."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from runbook_lib.lab.system.build_cache import built_once
from runbook_lib.lab.system.debian_bootstrap import LEFT_OUT, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["PACKAGES", "recipe", "root_filesystem"]

# No Docker: installing it is a runbook. No python: runbooks must not need it on a host.
PACKAGES = (
    "bridge-utils", "ca-certificates", "dbus", "ifupdown", "init", "iproute2", "iputils-ping", "kmod",
    "netbase", "openssh-server", "procps", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
"""What every host has, whatever it is made of."""


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
