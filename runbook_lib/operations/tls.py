"""TLS is served with the right certificate, proven by a handshake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runbook_lib.errors import ParameterError
from runbook_lib.facts.tls import TlsHandshake, certificate_of
from runbook_lib.file_contents import read_local
from runbook_lib.model.plans import Check
from runbook_lib.operations.base import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.file_contents import LocalPath

__all__ = ["Served", "served"]


@dataclass(frozen=True)
class Served(Probe):
    """A port shows a certificate that is valid for a name. Make one with `served`.

    Args:
        name: The name that is asked for, and must be in the certificate.
        port: TCP port.
        address: Where to connect; empty: to the step's host, whatever the name resolves to.
        authorities: Certificates of the authorities to trust, PEM; empty: those of the machine that asks.
        sha256: Fingerprint of the certificate that must be served, in hexadecimal; empty: any.
        trusted: Whether the certificate must be trusted; False: the fingerprint decides alone.
        asked_from: `here`: this machine connects, over the network; `host`: the step's host does, with openssl.
        wait: Seconds until the certificate must be served.
    """

    name: str
    port: int = 443
    address: str = ""
    authorities: str = field(default="", repr=False)
    sha256: str = ""
    trusted: bool = True
    asked_from: Literal["here", "host"] = "here"
    wait: float = 10.0

    @property
    def settle(self) -> float:
        """A server that was just reloaded may serve its former certificate for a moment."""
        return self.wait

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what a handshake shows."""
        return (TlsHandshake(self.port, self.name, self.address, self.asked_from, self.authorities),)

    def verify(self, facts: Facts) -> list[Check]:
        """Check trust and fingerprint."""
        (fact,) = self.facts()
        served = facts[fact]
        place = "this machine" if self.asked_from == "here" else "the host"
        checks = []
        if self.trusted:
            issuer = f": issued by {served.issuer}" if served.issuer and not served.trusted else ""
            observed = f"{served.verification}{issuer}"
            title = f"certificate for {self.name}:{self.port}, from {place}"
            checks.append(Check(title, "OK", observed, served.trusted, "tls.trusted"))
        if self.sha256:
            checks.append(
                Check.equal(
                    f"SHA-256 of the certificate of {self.name}:{self.port}",
                    self.sha256,
                    served.sha256 or "no certificate",
                    "tls.certificate",
                )
            )
        return checks


def served(  # noqa: PLR0913 - all that can be asked of a handshake
    name: str,
    *,
    port: int = 443,
    address: str = "",
    issued_by: LocalPath | None = None,
    certificate: LocalPath | None = None,
    fingerprint: str | None = None,
    asked_from: Literal["here", "host"] = "here",
    wait: float = 10.0,
) -> Served:
    """Return the check that TLS is served for a name.

    Args:
        name: The name that is asked for, and must be in the certificate.
        port: TCP port.
        address: Where to connect; default: to the step's host, whatever the name resolves to.
        issued_by: File of this machine with the certificates of the authorities to trust, PEM; default: the
            authorities of the machine that asks.
        certificate: File of this machine with the certificate that must be served, PEM, first in the file.
        fingerprint: SHA-256 of the certificate that must be served, in hexadecimal, colons allowed. Without
            `issued_by` the fingerprint decides alone: who issued the certificate does not matter.
        asked_from: `here` or `host`.
        wait: Seconds until the certificate must be served.

    Raises:
        ParameterError: A file cannot be read or holds no certificate, or the fingerprint is not one.
    """
    sha256 = (fingerprint or "").replace(":", "").lower()
    if fingerprint is not None and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):  # noqa: PLR2004 - hexadecimal digits
        raise ParameterError(
            f"fingerprint {fingerprint!r} is not a SHA-256",
            hint="as printed by `openssl x509 -noout -fingerprint -sha256`",
        )
    if certificate is not None:
        _, sha256 = _read_certificates(certificate, "certificate")
    authorities = ""
    if issued_by is not None:
        authorities, _ = _read_certificates(issued_by, "issued_by")
    trusted = fingerprint is None or issued_by is not None
    return Served(name, port, address, authorities, sha256, trusted, asked_from, wait)


def _read_certificates(path: LocalPath, what: str) -> tuple[str, str]:
    """Return a file's text, and the SHA-256 of the first certificate in it."""
    try:
        text = read_local(path, what).decode()
        return text, certificate_of(text).sha256
    except ValueError as problem:  # of another encoding too
        raise ParameterError(
            f"{what}: {path} is not a certificate in PEM: {problem}", hint="it begins with BEGIN CERTIFICATE"
        ) from problem
