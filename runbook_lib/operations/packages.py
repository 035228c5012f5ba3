"""How software is installed, by family of distributions. Another family is another entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.model import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runbook_lib.facts.release import ReleaseInfo

__all__ = ["install"]

_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--option=DPkg::Lock::Timeout=120")


def _apt(names: tuple[str, ...]) -> tuple[Command, ...]:
    return (
        Command(
            ("dpkg", "--configure", "-a"), sudo=True, timeout=600.0, purpose="finish what was cut off, if so"
        ),
        Command((*_APT, "update"), sudo=True, purpose="read the package lists"),
        Command(
            (*_APT, "install", "--yes", "--no-install-recommends", *names),
            sudo=True,
            timeout=1800.0,
            purpose="install from the distribution's own source",
        ),
    )


_INSTALLERS: dict[str, Callable[[tuple[str, ...]], tuple[Command, ...]]] = {"debian": _apt}


def install(release: ReleaseInfo, names: Mapping[str, tuple[str, ...]]) -> tuple[Command, ...]:
    """Return the commands that install software.

    Args:
        release: The host's distribution.
        names: Package names by family.

    Raises:
        PlanRefused: The family is not known, or has no such package.
    """
    installer = _INSTALLERS.get(release.family)
    if installer is None or release.family not in names:
        raise PlanRefused(
            f"{release.name} is of a family that cannot be installed on yet",
            hint=f"families known are: {', '.join(_INSTALLERS)}; install it by hand, then run this again",
        )
    return installer(names[release.family])
