"""Image registries: docker-registry installed, trusted by engines, its log clean, its garbage collected (book S1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.facts.registry import RegistryGarbage, RegistryLog, RegistryVersion
from runbook_lib.facts.release import Release
from runbook_lib.facts.service import Service
from runbook_lib.file_contents import read_local
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import packages
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.operations.settings_file import SettingsFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.file_contents import LocalPath

__all__ = [
    "UNIT",
    "Collected",
    "Installed",
    "LogClean",
    "Trusted",
    "collected",
    "installed",
    "log_checks",
    "log_clean",
    "trusted",
]

UNIT = "docker-registry.service"
"""The registry's service."""

_PACKAGES = {"debian": ("docker-registry", "curl")}  # curl asks the store
_CERTIFICATES = "/etc/docker/certs.d"
# No push may be under way: what it has stored so far would count as garbage.
_COLLECT = """unit=$1; shift
systemctl stop -- "$unit" || exit
trap 'code=$?; systemctl start -- "$unit" || exit 1; exit "$code"' EXIT
"$@"
"""


@dataclass(frozen=True)
class Installed(Operation):
    """docker-registry is installed from the distribution, and curl, with which its store is asked."""

    def facts(self) -> Sequence[Fact[Any]]:
        """Return release, version and unfinished packages."""
        return (Release(), RegistryVersion(), UnfinishedPackages())

    def plan(self, facts: Facts) -> Plan:
        """Install what is missing; of what is there, only finish an interrupted installation."""
        if facts[RegistryVersion()]:
            return Plan(commands=packages.finish() if facts[UnfinishedPackages()] else ())
        return Plan(commands=packages.install(facts[Release()], _PACKAGES))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it is installed, and no package unfinished."""
        version = facts[RegistryVersion()]
        return [
            Check(
                "docker-registry is installed",
                "a version",
                version or "none, or no curl",
                holds=version is not None,
                id="registry.version",
            ),
            packages.none_unfinished(facts),
        ]


@dataclass(frozen=True)
class Trusted(Operation):
    """The host's engine trusts an authority for one registry. Make one with `trusted`. No restart is needed.

    Args:
        address: The registry's name and port, as images have it: `192.168.7.31:5000`.
        authority: Certificate of the authority, PEM.
    """

    address: str
    authority: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse an address that is not one."""
        if "/" in self.address or " " in self.address or not self.address.isprintable() or not self.address:
            raise ParameterError(
                f"{self.address!r} is not a registry's address", hint="as in 192.168.7.31:5000"
            )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the certificate that is there."""
        return (self._file.state,)

    def plan(self, facts: Facts) -> Plan:
        """Write the certificate to Docker's folder for the registry."""
        return self._file.plan(facts)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it is this certificate."""
        return [self._file.check(facts, missing="no certificate", id="registry.authority")]

    @property
    def _file(self) -> SettingsFile:
        path = f"{_CERTIFICATES}/{self.address}/ca.crt"
        return SettingsFile(path, self.authority, "Docker's folder for this registry")


@dataclass(frozen=True)
class Collected(Operation):
    """A registry's store has nothing that no image uses. The registry is stopped while it is collected.

    Args:
        configuration: The registry's configuration file.
        environment: File with the variables of its service.
        untagged: Whether images without a tag count as unused. Not with images for several architectures: registries
            of versions 2 take the single images of these for untagged.
        unit: The registry's service.
    """

    configuration: str
    environment: str
    untagged: bool = False
    unit: str = UNIT

    @property
    def settle(self) -> float:
        """The registry was just started again."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what is not used, and the registry's service."""
        return (self._garbage, Service(self.unit))

    def plan(self, facts: Facts) -> Plan:
        """Stop the registry, collect, and start it again."""
        garbage = facts[self._garbage]
        if garbage is None:
            raise PlanRefused(
                "unused blobs cannot be determined: the registry does not reach its store",
                hint="the checks of the earlier steps name the cause; fix that, then run this again",
            )
        if not (garbage.blobs or garbage.manifests):
            start = Command(("systemctl", "start", "--", self.unit), sudo=True, purpose="start the registry")
            return Plan(commands=() if facts[Service(self.unit)].active == "active" else (start,))
        collect = self._garbage.collect()
        command = Command(
            ("sh", "-c", _COLLECT, "sh", self.unit, *collect.argv),
            sudo=True,
            timeout=collect.timeout,
            safe_to_interrupt=False,
            purpose="stop the registry, delete unused blobs, start the registry again",
        )
        unused = f"{garbage.blobs} blobs, {garbage.manifests} manifests that nothing uses"
        return Plan(commands=(command,), changes=(Change("the registry's store", unused, "deleted"),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nothing is left, and that the registry is running again."""
        garbage = facts[self._garbage]
        observed = (
            f"{garbage.blobs} blobs, {garbage.manifests} manifests"
            if garbage
            else "not known: no access to the store"
        )
        name = "unused blobs and manifests in the registry"
        return [
            Check.equal(name, "0 blobs, 0 manifests", observed, "registry.garbage"),
            Check.equal(
                f"state of {self.unit}", "active", facts[Service(self.unit)].active, "registry.active"
            ),
        ]

    @property
    def _garbage(self) -> RegistryGarbage:
        return RegistryGarbage(self.configuration, self.environment, self.untagged)


@dataclass(frozen=True)
class LogClean(Probe):
    """The log of the registry on the host names no failure that was not followed by a success.

    A failure to write counts until something is written again, or the registry is restarted.

    Args:
        unit: The registry's service.
    """

    unit: str = UNIT

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the failures."""
        return (RegistryLog(self.unit),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that there is none."""
        return log_checks(self.unit, facts)


def log_checks(unit: str, facts: Facts) -> list[Check]:
    """Return the check that a registry's log names no failure.

    Args:
        unit: The registry's service.
        facts: With its log.
    """
    found = facts[RegistryLog(unit)]
    observed = "; ".join(f"{failure.words} ({failure.detail}); hint: {failure.hint}" for failure in found)
    return [Check.equal("failures in the registry's log", "none", observed or "none", "registry.log")]


def trusted(address: str, authority: LocalPath) -> Trusted:
    """Return the operation by which the host's engine trusts an authority for one registry.

    Args:
        address: The registry's name and port, as images have it.
        authority: File of this machine with the authority's certificate, PEM.

    Raises:
        ParameterError: The file cannot be read or is not a certificate, or the address is not one.
    """
    text = read_local(authority, "authority").decode(errors="replace")
    if "BEGIN CERTIFICATE" not in text or "PRIVATE KEY" in text:
        raise ParameterError(
            f"authority: {authority} is not a certificate in PEM",
            hint="it begins with BEGIN CERTIFICATE, and holds no private key",
        )
    return Trusted(address, text)


installed = Installed
collected = Collected
log_clean = LogClean
