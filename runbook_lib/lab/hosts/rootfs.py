"""The root file system of containers: a minimal Debian with systemd and sshd, built once by mmdebstrap."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from runbook_lib.lab.system.build_cache import built_once
from runbook_lib.lab.system.debian_bootstrap import EXCLUDED_PATHS, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["PACKAGES", "recipe", "root_filesystem"]

_USUALLY = 25.0  # seconds
# No Docker: installing it is a runbook. No python: runbooks must not need it on a host.
PACKAGES = (
    "bridge-utils", "ca-certificates", "dbus", "ifupdown", "init", "iproute2", "iputils-ping", "kmod",
    "netbase", "openssh-server", "procps", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
"""The packages that every kind of host has."""


def root_filesystem(distribution: str, more_packages: Sequence[str] = ()) -> Path:
    """Return the directory of the root file system, building it on the first call (about 25 s).

    Args:
        distribution: Debian's code name, such as `bookworm`.
        more_packages: Packages of the hosts' network stack, in addition to those of every host.

    Raises:
        LabError: The build failed.
        RequirementError: This machine's apt has no Debian repository.
    """
    packages = (*PACKAGES, *more_packages)
    scripts = [recipe("host.sh"), recipe("container.sh")]
    if more_packages:
        scripts.append(recipe("network_stacks.sh"))
    recipe_parts = {
        "distribution": distribution,
        "packages": packages,
        "scripts": scripts,
        "left out": EXCLUDED_PATHS,
    }

    def build(directory: Path, cgroups: Sequence[Path]) -> None:
        options = (f"--include={','.join(packages)}", f"--customize-hook={''.join(scripts)}")
        bootstrap(distribution, directory / "root", cgroups, *options)

    return (
        built_once("rootfs", recipe_parts, build, what="root file system of the hosts", usually=_USUALLY)
        / "root"
    )


def recipe(name: str) -> str:
    """Return the text of a script in the package's `recipes`.

    Args:
        name: File name.
    """
    return resources.files("runbook_lib.lab").joinpath("recipes", name).read_text(encoding="utf-8")
