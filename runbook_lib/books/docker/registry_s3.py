"""A registry that keeps its images in an S3 store, and its keys in memory only (S1, S12).

The keys, and the private key of the registry's certificate, are on the registry's host in files below /run: in memory,
and lost when the host reboots. After a reboot the registry starts once the runbook has been run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from runbook_lib.errors import ParameterError
from runbook_lib.facts.object_store import ACCESS_KEY, SECRET_KEY, Store
from runbook_lib.facts.registry import RegistryImage
from runbook_lib.operations import directory, files, object_store, registry, registry_image, service, tls

if TYPE_CHECKING:
    from runbook_lib.books.docker.parameters import RegistryInUse, RegistryS3
    from runbook_lib.model.records import StepRecord

__all__ = [
    "FOLDER",
    "by_digest",
    "certificate",
    "certificate_key",
    "claimed",
    "collected",
    "configuration",
    "fetched",
    "has_objects",
    "keys",
    "memory",
    "served",
    "store",
    "store_authority",
    "unit",
]

FOLDER = "/etc/docker/registry"
"""The registry's configuration on its host."""

_MEMORY = "/run/runbook-registry"
_KEYS = f"{_MEMORY}/keys.env"
_CERTIFICATE, _CERTIFICATE_KEY = f"{FOLDER}/registry.crt", f"{_MEMORY}/registry.key"
_STORE_AUTHORITY = f"{FOLDER}/store-authority.crt"
_GROUP = "docker-registry"
_PROOF = "registry-proof"
# Without the file of the keys the service does not start, and says which file is missing. So nor does it start, without
# TLS and with the package's own configuration, when the package is installed.
_DROP_IN = f"""\
[Service]
EnvironmentFile={_KEYS}
UnsetEnvironment=AWS_CA_BUNDLE
Restart=on-failure
RestartSec=2
"""


def store(p: RegistryInUse) -> Store:
    """Return the bucket, as the registry's host uses it: with the keys of the registry."""
    return Store(p.store_endpoint, p.bucket, p.region, _KEYS)


def memory() -> directory.Present:
    """Return the folder in memory for what must not be kept; the registry may enter it, and list nothing."""
    return directory.present(_MEMORY, group=_GROUP, mode="0710")


def keys(p: RegistryS3, access_key: str, secret_key: str) -> files.Content:
    """Return the file, in memory, that the registry's service reads its keys from.

    Args:
        p: The runbook's parameters.
        access_key: The access key itself, as `Runbook.secret` returns it.
        secret_key: The secret key itself.

    Raises:
        ParameterError: A key has a character that no key of a store has.
    """
    for name, value in (("access_key", access_key), ("secret_key", secret_key)):
        if not value.isascii() or not value.isprintable() or set(value) & set(" '\"\\$`"):
            raise ParameterError(
                f"{name}: the value has a character that keys do not have: a blank, a quote, $, ` or \\",
                hint="check what the reference leads to",
            )
    values = {ACCESS_KEY: access_key, SECRET_KEY: secret_key}
    if p.store_authority:
        values["SSL_CERT_FILE"] = _STORE_AUTHORITY
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    return files.content(_KEYS, text=text, mode="0600")


def store_authority(p: RegistryS3) -> files.Content:
    """Return the file with the authority of the store's certificate."""
    return files.content(_STORE_AUTHORITY, source=str(p.store_authority))


def certificate(p: RegistryS3) -> files.Content:
    """Return the file with the registry's certificate."""
    return files.content(_CERTIFICATE, source=p.certificate)


def certificate_key(p: RegistryS3) -> files.Content:
    """Return the file, in memory, with the private key of that certificate."""
    return files.content(_CERTIFICATE_KEY, secret=p.certificate_key, group=_GROUP, mode="0640")


def configuration(p: RegistryS3) -> files.Content:
    """Return the registry's configuration. It has no key: these are variables of the service."""
    settings = {
        "version": "0.1",
        # At level info the log has the successes as well: an old failure is not taken for a present one.
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "s3": {
                "region": p.region,
                "regionendpoint": p.store_endpoint,
                "bucket": p.bucket,
                "rootdirectory": f"/{p.folder}",
                "secure": p.store_endpoint.startswith("https:"),
                "v4auth": True,
            },
            # Else clients are sent to the store's own address, which they may not reach or trust.
            "redirect": {"disable": True},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {
            "addr": f":{p.port}",
            "headers": {"X-Content-Type-Options": ["nosniff"]},
            "tls": {"certificate": _CERTIFICATE, "key": _CERTIFICATE_KEY},
        },
    }
    return files.content(f"{FOLDER}/config.yml", text=yaml.safe_dump(settings, sort_keys=False))


def unit() -> service.DropIn:
    """Return the drop-in file by which the registry's service gets its keys."""
    return service.drop_in(registry.UNIT, _DROP_IN)


def claimed(p: RegistryInUse) -> object_store.Claimed:
    """Return that no other registry uses the folder of the bucket."""
    return object_store.claimed(store(p), p.folder, p.registry)


def served(p: RegistryS3) -> tls.Served:
    """Return the check that the registry shows a valid certificate, as another host sees it."""
    return tls.served(p.host, port=p.port, address=p.host, issued_by=p.authority, asked_from="host")


def has_objects(p: RegistryInUse) -> object_store.Has:
    """Return the check that the images are in the bucket, below the folder."""
    return object_store.has(store(p), f"{p.folder}/docker/registry/v2")


def by_digest(p: RegistryInUse, step: StepRecord) -> str:
    """Return the image's name with the digest that a facts step has read; with its tag if none was served.

    Args:
        p: The runbook's parameters.
        step: The step, which read `RegistryImage`.
    """
    label = RegistryImage(p.pushed).label
    digests = ((host.facts.get(label) or {}).get("digest", "") for host in step.hosts)
    digest = next(filter(None, digests), "")
    return f"{p.pushed.rpartition(':')[0]}@{digest}" if digest else p.pushed


def fetched(name: str) -> registry_image.Fetched:
    """Return that the image was removed, pulled again by its digest, and run.

    Args:
        name: The image with its digest.
    """
    return registry_image.fetched(name, _PROOF, ("echo", "pulled from the registry"))


def collected(p: RegistryS3) -> registry.Collected:
    """Return that the bucket has nothing that no image uses."""
    return registry.collected(f"{FOLDER}/config.yml", _KEYS, p.delete_untagged)
