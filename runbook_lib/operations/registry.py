"""Image registries: docker-registry installed, trusted by engines, images pushed, garbage collected (book S1, S12)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError, PlanRefused
from runbook_lib.facts.container import SPEC_LABEL, Container, spec_hash
from runbook_lib.facts.file import FileState
from runbook_lib.facts.image import Image, RepositoryDigests
from runbook_lib.facts.packages import UnfinishedPackages
from runbook_lib.facts.registry import RegistryGarbage, RegistryImage, RegistryLog, RegistryVersion
from runbook_lib.facts.release import Release
from runbook_lib.local_files import read_local
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import file_commands, packages
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.operations.container_conflicts import refuse_foreign, require_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.local_files import LocalPath

__all__ = [
    "UNIT",
    "Collected",
    "Fetched",
    "Installed",
    "LogClean",
    "Pushed",
    "Serves",
    "Trusted",
    "collected",
    "fetched",
    "installed",
    "log_clean",
    "pushed",
    "serves",
    "trusted",
]

UNIT = "docker-registry.service"
"""The registry's service."""

_PACKAGES = {"debian": ("docker-registry", "curl")}  # curl asks the store
_CERTIFICATES = "/etc/docker/certs.d"
_PULL_TIMEOUT = 900.0  # seconds
# No push may be under way: what it has stored so far would count as garbage.
_COLLECT = """unit=$1; shift
systemctl stop -- "$unit" || exit
trap 'systemctl start -- "$unit"' EXIT
"$@"
"""


@dataclass(frozen=True)
class Installed(Operation):
    """docker-registry is installed from the distribution, and curl, with which its store is asked."""

    def facts(self) -> Sequence[Fact[Any]]:
        """Return release, version and unfinished packages."""
        return (Release(), RegistryVersion(), UnfinishedPackages())

    def plan(self, facts: Facts) -> Plan:
        """Install what is missing."""
        if facts[RegistryVersion()] and not facts[UnfinishedPackages()]:
            return Plan()
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
            Check.equal(
                "packages left unfinished",
                expected=False,
                observed=facts[UnfinishedPackages()],
                id="packages.unfinished",
            ),
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
        return (self._state,)

    def plan(self, facts: Facts) -> Plan:
        """Write the certificate to Docker's folder for the registry."""
        before = facts[self._state]
        if before.sha256 == self._sha256:
            return Plan()
        if before.target or (before.exists and not before.is_file):
            raise PlanRefused(f"{self._path} is not a regular file", hint="move it away")
        folder = ("install", "-d", "-m", "0755", "--", self._path.rpartition("/")[0])
        commands = [Command(folder, sudo=True, purpose="Docker's folder for this registry")]
        if before.exists:
            commands.append(file_commands.keep(self._path, before.sha256))
        commands.append(
            file_commands.replace(self._path, self.authority, self._sha256, owner="root:root", mode="0644")
        )
        return Plan(
            commands=tuple(commands),
            changes=(Change(self._path, before.text, self.authority),),
            rollback=(file_commands.restore(self._path, before, self._sha256),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it is this certificate."""
        observed = facts[self._state].sha256 or "no certificate"
        return [Check.equal(f"SHA-256 of {self._path}", self._sha256, observed, "registry.authority")]

    @property
    def _path(self) -> str:
        return f"{_CERTIFICATES}/{self.address}/ca.crt"

    @property
    def _state(self) -> FileState:
        return FileState(self._path, contents=True)

    @property
    def _sha256(self) -> str:
        return hashlib.sha256(self.authority.encode()).hexdigest()


@dataclass(frozen=True)
class Pushed(Operation):
    """An image of the host is in a registry.

    Args:
        image: The host's image, with tag.
        name: Its name in the registry, as `192.168.7.31:5000/redis-server:1`.
        unit: The registry's service if it runs on the same host: a push that fails is explained by its log.
    """

    image: str
    name: str
    unit: str = ""

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the host's image, the registry's, and the registry's log."""
        log = (RegistryLog(self.unit),) if self.unit else ()
        return (Image(self.image), RepositoryDigests(self.image), RegistryImage(self.name), *log)

    def plan(self, facts: Facts) -> Plan:
        """Tag and push the image."""
        require_image(self.image, facts[Image(self.image)])
        served = facts[RegistryImage(self.name)]
        if served.digest and served.digest in self._digests(facts):
            return Plan()
        tag = Command(("docker", "tag", self.image, self.name), sudo=True, purpose="its name in the registry")
        push = Command(
            ("docker", "push", "--quiet", self.name),
            sudo=True,
            # A push that fails says only "500": the checks name the cause.
            accept=(0, 1),
            timeout=_PULL_TIMEOUT,
            purpose="push the image",
        )
        change = Change(f"image {self.name}", served.digest or None, "pushed")
        return Plan(commands=(tag, push), changes=(change,))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the registry serves the same image, and what its log says."""
        served = facts[RegistryImage(self.name)]
        digests = self._digests(facts)
        observed = served.digest or f"not served: {served.problem}"
        holds = bool(served.digest) and served.digest in digests
        expected = digests[0] if digests else "the digest of the pushed image"
        checks = [Check(f"{self.name} in its registry", expected, observed, holds, "registry.pushed")]
        return checks + (_log_checks(self.unit, facts) if self.unit else [])

    def _digests(self, facts: Facts) -> list[str]:
        repository = self.name.rpartition(":")[0]
        found = (digest.rpartition("@") for digest in facts[RepositoryDigests(self.image)])
        return [digest for name, _, digest in found if name == repository]


@dataclass(frozen=True)
class Fetched(Operation):
    """An image was removed from the host, pulled again by its digest, and has run once. The container is the proof.

    Args:
        name: With digest, as `192.168.7.31:5000/redis-server@sha256:…`.
        container: Name of the container that is kept, stopped.
        command: Program and arguments that it has run.
    """

    name: str
    container: str
    command: tuple[str, ...]

    def facts(self) -> Sequence[Fact[Any]]:
        """Return container and image."""
        return (Container(self.container), Image(self.name))

    def plan(self, facts: Facts) -> Plan:
        """Remove, pull and run the image, unless that was done with this image."""
        container = facts[Container(self.container)]
        refuse_foreign(self.container, container)
        if all(check.holds for check in self.verify(facts)):
            return Plan()
        commands = []
        if container:
            commands.append(
                Command(("docker", "rm", "-f", self.container), sudo=True, purpose="an earlier proof")
            )
        if facts[Image(self.name)]:
            remove = ("docker", "image", "rm", self.name)
            commands.append(Command(remove, sudo=True, purpose="remove the image"))
        pull = ("docker", "pull", "--quiet", self.name)
        commands.append(
            Command(pull, sudo=True, timeout=_PULL_TIMEOUT, purpose="pull it again, by its digest")
        )
        run = ("docker", "run", "--name", self.container, "--label", f"{SPEC_LABEL}={self.spec}", self.name)
        commands.append(Command((*run, *self.command), sudo=True, purpose="run it once"))
        return Plan(commands=tuple(commands))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that the container ran from the image, and that the image is there."""
        container, image = facts[Container(self.container)], facts[Image(self.name)]
        ran = f"{container.state} with {container.exit_code}" if container else "missing"
        return [
            Check(
                f"image {self.name}",
                "present",
                "present" if image else "missing",
                bool(image),
                "image.present",
            ),
            Check.equal(f"container {self.container}", "exited with 0", ran, "container.state"),
            Check.equal(
                f"spec of {self.container}",
                self.spec,
                (container.spec if container else "") or "none",
                "registry.fetched",
            ),
        ]

    @property
    def spec(self) -> str:
        """A short hash of image and command."""
        return spec_hash(self.name, self.command)


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
        """Return what is not used."""
        return (self._garbage,)

    def plan(self, facts: Facts) -> Plan:
        """Stop the registry, collect, and start it again."""
        garbage = facts[self._garbage]
        if garbage is None:
            raise PlanRefused(
                "what is not used cannot be found out: the registry does not reach its store",
                hint="the checks of the steps before name the cause; correct it, then run this again",
            )
        if not (garbage.blobs or garbage.manifests):
            return Plan()
        collect = self._garbage.collect()
        command = Command(
            ("sh", "-c", _COLLECT, "sh", self.unit, *collect.argv),
            sudo=True,
            timeout=collect.timeout,
            safe_to_interrupt=False,
            purpose="stop the registry, delete what is not used, start it again",
        )
        unused = f"{garbage.blobs} blobs, {garbage.manifests} manifests that nothing uses"
        return Plan(commands=(command,), changes=(Change("the registry's store", unused, "deleted"),))

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nothing is left."""
        garbage = facts[self._garbage]
        observed = (
            f"{garbage.blobs} blobs, {garbage.manifests} manifests"
            if garbage
            else "not known: no access to the store"
        )
        name = "what no image in the registry uses"
        return [Check.equal(name, "0 blobs, 0 manifests", observed, "registry.garbage")]

    @property
    def _garbage(self) -> RegistryGarbage:
        return RegistryGarbage(self.configuration, self.environment, self.untagged)


@dataclass(frozen=True)
class LogClean(Probe):
    """The log of the registry on the host names no failure that was not followed by a success.

    Args:
        unit: The registry's service.
    """

    unit: str = UNIT

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the failures."""
        return (RegistryLog(self.unit),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that there is none."""
        return _log_checks(self.unit, facts)


@dataclass(frozen=True)
class Serves(Probe):
    """A registry, or a registry mirror, serves an image to the host's engine, over TLS with the engine's certificates.

    Engines do not say that a mirror is broken: they go on to Docker's own registry, and complain of that one.

    Args:
        name: The image with the registry's address, as `192.168.7.31:5000/redis-server:1`.
    """

    name: str

    @property
    def settle(self) -> float:
        """A registry that was just started needs a moment."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the registry's answer to the engine."""
        return (RegistryImage(self.name),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it is served."""
        served = facts[RegistryImage(self.name)]
        observed = served.digest or served.problem
        name = f"{self.name}, asked for by the engine"
        return [Check(name, "a digest", excerpt(observed, 300), bool(served.digest), "registry.serves")]


def _log_checks(unit: str, facts: Facts) -> list[Check]:
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
pushed = Pushed
fetched = Fetched
collected = Collected
log_clean = LogClean
serves = Serves
