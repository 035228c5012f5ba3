"""Package sources: lists read, signing keys imported, a repository's release package installed (book S10, S11)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import NotApplicable, ParameterError, PlanRefused
from runbook_lib.facts.host import Virtualization
from runbook_lib.facts.packages import ListsAge, PackageVersion
from runbook_lib.facts.release import Release
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.operations import packages
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Ready", "ready"]

_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}")


@dataclass(frozen=True)
class Ready(Operation):
    """The package lists are up to date; on EL an additional repository is installed and its key imported.

    Args:
        release_package: EL: URL of the package that adds the repository, as elrepo-release; None: no repository.
        name: EL: that package's name.
        key: EL: URL of the key that signs its packages.
        fingerprint: EL: fingerprint of that key; another key is not imported, and nothing is installed.
        oldest: Debian: maximum age of the package lists, in seconds.
        own_kernel_only: Skip containers, as all steps of the kernel upgrade do.
    """

    release_package: str | None = None
    name: str = "elrepo-release"
    key: str | None = None
    fingerprint: str | None = None
    oldest: int = 86400
    own_kernel_only: bool = False

    def __post_init__(self) -> None:
        """Refuse a repository without the fingerprint of its key: the key could not be verified."""
        fingerprint = re.sub(r"\s", "", self.fingerprint or "")
        if self.release_package and not (self.key and _FINGERPRINT.fullmatch(fingerprint)):
            raise ParameterError(
                f"{self.release_package} needs the URL and the fingerprint (40 hexadecimal digits) of its signing key",
                hint="look up the fingerprint on the repository owner's page and set it in the parameters",
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return virtualization, release, the lists' age, and the versions of the repository's package and key."""
        return (Virtualization(), Release(), ListsAge(), PackageVersion(self.name), self._key)

    @property
    def _key(self) -> PackageVersion:
        # rpm stores an imported key as a package named by the last eight digits of the key's id.
        fingerprint = re.sub(r"\s", "", self.fingerprint or "").lower()
        return PackageVersion(f"gpg-pubkey-{fingerprint[-8:]}")

    def plan(self, facts: Facts) -> Plan:
        """Update the lists; on EL import the key, then install the repository's package."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        release = facts[Release()]
        if release.family == "debian":
            return Plan(commands=(packages.update_lists(),))
        if release.family != "el" or not (self.release_package and self.key and self.fingerprint):
            raise PlanRefused(
                f"adding a package source to {release.name} is not supported",
                hint="add it by hand, then run this again",
            )
        return Plan(
            commands=(
                packages.import_key(self.key, self.fingerprint),
                Command(
                    (packages.manager(release), "--assumeyes", "install", self.release_package),
                    sudo=True,
                    timeout=600.0,
                    safe_to_interrupt=False,
                    purpose=f"install the repository's release package, {self.name}",
                ),
            )
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the lists' age (Debian), repository and key (EL)."""
        container = facts[Virtualization()].container
        if self.own_kernel_only and container:
            raise NotApplicable(
                f"a container ({container}) has no kernel of its own",
                hint="upgrade the machine that it runs on",
            )
        if facts[Release()].family == "el" and self.release_package:
            installed, key = facts[PackageVersion(self.name)], facts[self._key]
            return [
                Check(
                    "the signing key is imported",
                    str(self.fingerprint),
                    key or "not imported",
                    holds=key is not None,
                    id="package_source.key",
                ),
                Check(
                    f"{self.name} is installed",
                    "a version",
                    installed or "none",
                    holds=installed is not None,
                    id="package_source.package",
                ),
            ]
        age = facts[ListsAge()]
        observed = "never read" if age is None else f"{age} s"
        return [
            Check(
                "age of the package lists",
                f"at most {self.oldest} s",
                observed,
                age is not None and 0 <= age <= self.oldest,
                "package_source.lists_age",
            )
        ]


ready = Ready
