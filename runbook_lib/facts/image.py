"""Docker images."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.facts.base import Fact, load_json, parsing, typed
from runbook_lib.model.commands import DockerQuery, Output

__all__ = ["Image", "ImageState", "RepositoryDigests", "has_registry", "mirrored_name"]


@dataclass(frozen=True)
class ImageState:
    """An image on the host.

    Args:
        identifier: Hash of its content.
        exposed: Ports it EXPOSEs, as `6379/tcp`.
    """

    identifier: str
    exposed: tuple[str, ...]


@dataclass(frozen=True)
class Image(Fact[ImageState | None]):
    """An image by name; None if the host does not have it.

    Args:
        name: With tag, as `runbook/redis-server:1`.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_image", (self.name,))

    def parse(self, output: Output) -> ImageState | None:
        """Return the image's state."""
        inspected = load_json(output, "docker image inspect")
        if inspected is None:
            return None
        with parsing(f"docker image inspect of {self.name}"):
            ports = (inspected.get("Config") or {}).get("ExposedPorts") or {}
            return ImageState(
                identifier=typed(str, inspected["Id"]), exposed=tuple(sorted(typed(dict, ports)))
            )

    def absent(self) -> None:
        """Return None: without an engine there are no images."""
        return


@dataclass(frozen=True)
class RepositoryDigests(Fact[tuple[str, ...]]):
    """The digests under which registries have an image of the host, as `192.168.7.31:5000/redis@sha256:…`.

    Empty if the host does not have the image, or has neither pulled nor pushed it.

    Args:
        name: With tag.
    """

    name: str

    def request(self) -> DockerQuery:
        """Return the query."""
        return DockerQuery("inspect_image", (self.name,))

    def parse(self, output: Output) -> tuple[str, ...]:
        """Return the digests."""
        inspected = load_json(output, "docker image inspect")
        if inspected is None:
            return ()
        with parsing(f"docker image inspect of {self.name}"):
            typed(str, inspected["Id"])
            found = typed(list, inspected.get("RepoDigests") or [])
            return tuple(typed(str, digest) for digest in found)

    def absent(self) -> tuple[str, ...]:
        """Return nothing: without an engine there are no images."""
        return ()


def has_registry(image: str) -> bool:
    """Return whether an image's name begins with a registry: then engines do not ask mirrors for it.

    >>> has_registry("192.168.7.31:5000/acme/redis:1"), has_registry("acme/redis:1")
    (True, False)
    """
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def mirrored_name(registry: str, image: str) -> str:
    """Return the name under which an engine asks a mirror for an image of Docker's own registry.

    >>> mirrored_name("192.168.7.31:5000", "redis:7")
    '192.168.7.31:5000/library/redis:7'

    Args:
        registry: The mirror's name and port.
        image: As `runbook/redis-cli:1`.
    """
    return f"{registry}/{image if '/' in image else f'library/{image}'}"
