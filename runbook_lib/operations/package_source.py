"""Where packages come from: lists read, keys known, a repository's own package installed (book S10, S11)."""

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
    """The host knows what its package sources offer; on EL the further repository is there and its key known.

    Args:
        release_package: EL: URL of the package that brings the repository, as elrepo-release; None: no further one.
        name: EL: that package's name.
        key: EL: URL of the key its packages are signed with.
        fingerprint: EL: of that key; nothing is installed where it is another.
        oldest: Debian: seconds that the package lists may be old.
        own_kernel_only: Skip containers, as all steps of the kernel upgrade do.
    """

    release_package: str | None = None
    name: str = "elrepo-release"
    key: str | None = None
    fingerprint: str | None = None
    oldest: int = 86400
    own_kernel_only: bool = False

    def __post_init__(self) -> None:
        """Refuse a repository whose key would be taken on trust."""
        told = re.sub(r"\s", "", self.fingerprint or "")
        if self.release_package and not (self.key and _FINGERPRINT.fullmatch(told)):
            raise ParameterError(
                f"{self.release_package} needs the URL of its key, and that key's fingerprint of 40 digits",
                hint="read the fingerprint on the owner's page and write it into the parameters",
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the family, the lists' age, and whether the repository and its key are there."""
        return (Virtualization(), Release(), ListsAge(), PackageVersion(self.name), self._key)

    @property
    def _key(self) -> PackageVersion:
        # rpm keeps an imported key as a package named by the last eight digits of its id.
        told = re.sub(r"\s", "", self.fingerprint or "").lower()
        return PackageVersion(f"gpg-pubkey-{told[-8:]}")

    def plan(self, facts: Facts) -> Plan:
        """Read the lists; on EL import the key, then install the repository's package."""
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        release = facts[Release()]
        if release.family == "debian":
            return Plan(commands=(packages.update_lists(),))
        if release.family != "el" or not (self.release_package and self.key and self.fingerprint):
            raise PlanRefused(
                f"how {release.name} is given a package source is not known",
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
                    purpose=f"the repository's own package, {self.name}",
                ),
            )
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check the lists' age (Debian), repository and key (EL)."""
        container = facts[Virtualization()].container
        if self.own_kernel_only and container:
            raise NotApplicable(
                f"a container ({container}) has no kernel of its own", hint="upgrade the machine it is on"
            )
        if facts[Release()].family == "el" and self.release_package:
            there, key = facts[PackageVersion(self.name)], facts[self._key]
            return [
                Check(
                    "the key is known",
                    str(self.fingerprint),
                    key or "not known",
                    holds=key is not None,
                    id="package_source.key",
                ),
                Check(
                    f"{self.name} is installed",
                    "a version",
                    there or "none",
                    holds=there is not None,
                    id="package_source.package",
                ),
            ]
        age = facts[ListsAge()]
        told = "never read" if age is None else f"{age} s"
        return [
            Check(
                "age of the package lists",
                f"at most {self.oldest} s",
                told,
                age is not None and age <= self.oldest,
                "package_source.lists_age",
            )
        ]


ready = Ready
