"""The hosts' root file system: a minimal Debian with systemd and sshd, built once by mmdebstrap."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from runbook_lib.lab.apt import debian_sources, machine_proxy
from runbook_lib.lab.cache import built_once
from runbook_lib.lab.programs import joined, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["APT_CONFIGURATION", "bootstrap", "root_filesystem"]

# No Docker: installing it is a runbook. No python: runbooks must not need it on a host.
_PACKAGES = (
    "bridge-utils", "ca-certificates", "dbus", "ifupdown", "init", "iproute2", "iputils-ping", "kmod",
    "netbase", "openssh-server", "procps", "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
# A cache that works without a network serves indexes past their date; signatures are checked all the same.
APT_CONFIGURATION = {
    "Acquire::Check-Valid-Until": "false",
    "Acquire::Languages": "none",
    "APT::Install-Recommends": "false",
}
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_BUILD_TIMEOUT = 900  # seconds


def root_filesystem(distribution: str) -> Path:
    """Return the directory of the root file system, building it on the first call (about 25 s)."""
    script = resources.files("runbook_lib.lab").joinpath("recipes", "rootfs.sh").read_text(encoding="utf-8")
    recipe = {"distribution": distribution, "packages": _PACKAGES, "script": script, "left out": _LEFT_OUT}

    def build(directory: Path, cgroups: Sequence[Path]) -> None:
        hook = directory / "customize.sh"
        hook.write_text(script, encoding="utf-8")
        options = (f"--include={','.join(_PACKAGES)}", f'--customize-hook=sh {hook} "$1"')
        bootstrap(distribution, directory / "root", cgroups, *options)

    return built_once("rootfs", recipe, build) / "root"


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
        "--mode=root",
        "--variant=minbase",
        *(f'--aptopt={name} "{value}"' for name, value in APT_CONFIGURATION.items()),
        *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy else []),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        *options,
        distribution,
        target,
        *(source.line for source in debian_sources(distribution)),
    ]
    run(
        *joined(*argv, cgroups=cgroups),
        what=f"build a minimal Debian {distribution}",
        hint="the first build needs the package repositories; see that `apt-get update` works",
        timeout=_BUILD_TIMEOUT,
    )
