"""The lab's certificates: an authority, and what it issues for the object store and for a registry on a host.

Each certificate also has an expired one for the same key: a drill needs it, and nobody can issue it later.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runbook_lib.atomic import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["make_certificates"]

_VALID = dt.timedelta(days=90)  # longer than a lab is up
_EARLIER = dt.timedelta(hours=1)  # hosts whose clock is slow trust it too
_AGO = dt.timedelta(days=100)  # when the expired ones were issued


def make_certificates(folder: Path, **servers: Sequence[str]) -> None:
    """Make an authority and a certificate for each server, unless the folder has them.

    The authority's key is thrown away: nothing else is ever issued by it.

    Args:
        folder: Gets `ca.crt`, and for each server `NAME.crt`, `NAME.key`, and the expired `NAME.expired.crt`.
        servers: Name -> its IP addresses.
    """
    if (folder / "ca.crt").exists():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of the lab")])
    for name, addresses in servers.items():
        own = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        for path, issued in ((f"{name}.crt", now), (f"{name}.expired.crt", now - _AGO)):
            certificate = (
                _builder(subject, issuer, own.public_key(), issued)
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
                )
                .sign(key, hashes.SHA256())
            )
            _write(folder / path, certificate)
        private = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        replace_file(folder / f"{name}.key", private, durable=False, mode=0o600)
    authority = (
        _builder(issuer, issuer, key.public_key(), dt.datetime.now(dt.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.crt", authority)  # last: the folder is complete


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issued: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(issued - _EARLIER)
        .not_valid_after(issued + _VALID)
    )


def _write(path: Path, certificate: x509.Certificate) -> None:
    replace_file(path, certificate.public_bytes(serialization.Encoding.PEM), durable=False, mode=0o644)
