"""Images in registries: pushed, pulled again by their digest, served to engines, by mirrors too (book S1, S12)."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import ParameterError
from runbook_lib.facts.container import SPEC_LABEL, Container, spec_hash
from runbook_lib.facts.image import Image, RepositoryDigests, has_registry, mirrored_name
from runbook_lib.facts.ports import PortOpen
from runbook_lib.facts.registry import RegistryImage, RegistryLog
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation, Probe
from runbook_lib.operations.container_conflicts import refuse_foreign, require_image
from runbook_lib.operations.registry import log_checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = [
    "Fetched",
    "MirrorsServe",
    "Pushed",
    "Serves",
    "fetched",
    "mirrors_serve",
    "pushed",
    "serves",
]

_PULL_TIMEOUT = 900.0  # seconds


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
        """Check that the registry serves the same image; if not, its log names the cause."""
        served = facts[RegistryImage(self.name)]
        digests = self._digests(facts)
        observed = served.digest or f"not served: {served.problem}"
        holds = bool(served.digest) and served.digest in digests
        expected = digests[0] if digests else "the digest of the pushed image"
        checks = [Check(f"{self.name} in its registry", expected, observed, holds, "registry.pushed")]
        # What failed earlier does not matter once the image is served.
        return checks if holds or not self.unit else checks + log_checks(self.unit, facts)

    def _digests(self, facts: Facts) -> list[str]:
        """Return the image's digests, that in the registry first: one that was pulled by a mirror has another name."""
        repository = self.name.rpartition(":")[0]
        found = [digest.rpartition("@") for digest in facts[RepositoryDigests(self.image)]]
        found.sort(key=lambda parts: parts[0] != repository)
        return [digest for _, _, digest in found]


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


@dataclass(frozen=True)
class MirrorsServe(Probe):
    """Each registry mirror serves an image to the host's engine, over TLS.

    A mirror without TLS is asked for a connection only, as is every mirror if the image is of another registry than
    Docker's own: engines do not ask mirrors for such an image.

    Engines do not report a broken mirror: a pull goes on to Docker's own registry, and its error names only that one.

    Args:
        mirrors: As in `daemon.json`: `https://192.168.7.31:5000`.
        image: An image that the mirrors have, as `acme/redis-server:1`.
    """

    mirrors: tuple[str, ...]
    image: str

    def __post_init__(self) -> None:
        """Refuse what is not a mirror.

        Raises:
            ParameterError: There is no mirror, or one is not a URL.
        """
        if not self.mirrors:
            raise ParameterError("there is no mirror to check", hint="as in https://mirror.example.com")
        for mirror in self.mirrors:
            self._port(mirror)

    @property
    def settle(self) -> float:
        """An engine that was just restarted needs a moment."""
        return 10.0

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what each mirror answers."""
        return tuple(self._fact(mirror) for mirror in self.mirrors)

    def verify(self, facts: Facts) -> list[Check]:
        """Check each mirror."""
        checks = []
        for mirror in self.mirrors:
            fact = self._fact(mirror)
            if isinstance(fact, PortOpen):
                problem = facts[fact]
                checks.append(
                    Check(
                        f"mirror {mirror}",
                        "an open port",
                        problem or "an open port",
                        not problem,
                        f"registry.mirror.{mirror}",
                    )
                )
                continue
            served = facts[fact]
            observed = "served" if served.digest else excerpt(served.problem, 300)
            name = f"{self.image} from the mirror {mirror}"
            checks.append(Check(name, "served", observed, bool(served.digest), f"registry.mirror.{mirror}"))
        return checks

    def _fact(self, mirror: str) -> PortOpen | RegistryImage:
        parts = urllib.parse.urlsplit(mirror)
        if parts.scheme == "http" or has_registry(self.image):
            return PortOpen(self._port(mirror), str(parts.hostname), "host")
        return RegistryImage(mirrored_name(parts.netloc, self.image))

    @staticmethod
    def _port(mirror: str) -> int:
        try:
            parts = urllib.parse.urlsplit(mirror)
            port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        except (ValueError, KeyError):
            port = 0
        if not port or not parts.hostname or not mirror.isprintable() or " " in mirror:
            raise ParameterError(
                f"{mirror!r} is not the URL of a mirror", hint="as in https://mirror.example.com"
            )
        return port


pushed = Pushed
fetched = Fetched
serves = Serves
mirrors_serve = MirrorsServe
