"""Parameters of the runbook of the registry on S3, and of those that use this registry."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from runbook_lib.books.docker.parameter_types import Image, MirroredImage, Name
from runbook_lib.facts.image import mirrored_name
from runbook_lib.parameters import OneHost, Parameters
from runbook_lib.secrets import Reference

__all__ = ["RegistryInUse", "RegistryS3"]

_ADDRESS = r"^[A-Za-z0-9][A-Za-z0-9.-]*:[0-9]{1,5}$"


class RegistryInUse(Parameters):
    """A registry whose images are in an S3 store (S1), for those that use it: no keys."""

    registry: str = Field(
        default="",
        pattern=_ADDRESS + "|^$",
        description="The registry's name and port, as 192.168.7.31:5000.",
    )
    pushed_as: Image = Field(
        default="acme/redis-server:1", description="Name of the image in the registry, with tag."
    )
    store_endpoint: str = Field(default="", description="URL of the store, as https://s3.example.com.")
    bucket: Name = "acme-docker"
    region: Name = "us-west-1"
    folder: Name = Field(default="registry", description="Folder of the bucket; /registry in the book.")

    @property
    def pushed(self) -> str:
        """The image's full name."""
        return f"{self.registry}/{self.pushed_as}"


class RegistryS3(RegistryInUse):
    """Keep a registry's images in an S3 store, and its keys in no file (S1, S12)."""

    runbook: ClassVar[str] = "50_registry_s3"
    title: ClassVar[str] = "A registry with S3 storage"

    server: OneHost = Field(description="Host that gets the registry, and has the image.")
    client: str = Field(description="Host or group that pulls the image.")
    registry: str = Field(pattern=_ADDRESS, description="The registry's name and port, as 192.168.7.31:5000.")
    image: Image = Field(description="Image that is pushed.")
    mirrored_images: list[MirroredImage] = Field(
        default_factory=list,
        description="Images pushed under their own names: engines that have the registry as a mirror get them from it.",
    )
    store_endpoint: str = Field(
        pattern=r"^https?://[^/\s]+$", description="URL of the store, as https://s3.example.com."
    )
    create_bucket: bool = Field(default=False, description="Make the bucket if it is missing.")
    access_key: Reference = Field(description="Reference to the access key.")
    secret_key: Reference = Field(description="Reference to the secret key.")
    certificate: str = Field(description="File of this machine with the registry's certificate, PEM.")
    certificate_key: Reference = Field(description="Reference to that certificate's private key.")
    authority: str = Field(description="File of this machine with the authority of that certificate, PEM.")
    store_authority: str | None = Field(
        default=None,
        description="File with the authority of the store's certificate, PEM; null: the authorities that hosts trust.",
    )
    delete_untagged: bool = Field(
        default=False,
        description="Also collect images that have lost their tag; never with images for several architectures.",
    )

    @property
    def mirrored(self) -> dict[str, str]:
        """Each mirrored image -> its full name in the registry."""
        return {image: mirrored_name(self.registry, image) for image in self.mirrored_images}

    @property
    def port(self) -> int:
        """The registry's port."""
        return int(self.registry.rpartition(":")[2])

    @property
    def host(self) -> str:
        """The registry's name or address."""
        return self.registry.rpartition(":")[0]
