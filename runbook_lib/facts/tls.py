"""TLS handshakes: which certificate a port shows, and whether it is trusted."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from typing import Literal

from cryptography import x509

from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, lines_of, parsing
from runbook_lib.facts.ports import is_address, with_port
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, NetworkQuery, Output

__all__ = ["TlsHandshake", "TlsServed", "certificate_of"]

_NOT_FOUND = 127  # exit code of a shell that does not find the program
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERIFICATION = re.compile(r"^Verification(?: error)?: (.*)$", re.MULTILINE)
_PROTOCOL = re.compile(r"^New, (TLSv[0-9.]+), Cipher is (\S+)$", re.MULTILINE)
# Standard input may be a socket, which cannot be opened by name: cat makes a pipe of it.
_WITH_AUTHORITIES = 'cat | timeout "$0" openssl s_client -CAfile /dev/stdin "$@"'
_SYSTEM_AUTHORITIES = 'timeout "$0" openssl s_client "$@" < /dev/null'


@dataclass(frozen=True)
class TlsServed:
    """What a server shows in a handshake.

    Args:
        trusted: Whether the certificate is valid now, for the name, and issued by a trusted authority.
        verification: `OK`, or why the certificate is not trusted, or why there was no handshake and the rest is empty.
        subject: The certificate's subject.
        issuer: The certificate's issuer.
        names: Its alternative names.
        expires: When it expires, UTC, as in ISO 8601.
        sha256: Fingerprint of the certificate, in hexadecimal.
        protocol: As `TLSv1.3`.
    """

    trusted: bool
    verification: str
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    expires: str = ""
    sha256: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class TlsHandshake(Fact[TlsServed]):
    """What a server shows in a TLS handshake.

    Args:
        port: TCP port.
        name: The name that is asked for, and must be in the certificate.
        address: Where to connect; empty: to the step's host.
        asked_from: `here`: this machine connects, over the network; `host`: the host does, with openssl.
        authorities: Certificates to trust, PEM; empty: those of the machine that asks.
        timeout: Whole seconds.
    """

    port: int
    name: str
    address: str = ""
    asked_from: Literal["here", "host"] = "here"
    authorities: str = ""
    timeout: int = 10

    def request(self) -> Command | NetworkQuery:
        """Return the query."""
        if self.asked_from == "here":
            return NetworkQuery(
                "tls",
                self.port,
                self.address,
                self.name,
                authorities=self.authorities,
                timeout=float(self.timeout),
            )
        script = _WITH_AUTHORITIES if self.authorities else _SYSTEM_AUTHORITIES
        target = ("-connect", with_port(self.address or "127.0.0.1", self.port))
        verified: tuple[str, ...] = ("-servername", self.name, "-verify_hostname", self.name)
        if is_address(self.name):
            verified = ("-noservername", "-verify_ip", self.name)
        return Command(
            ("sh", "-c", script, str(self.timeout), *target, *verified),
            stdin=self.authorities or None,
            accept=tuple(range(256)),
        )

    def parse(self, output: Output) -> TlsServed:
        """Return what was shown."""
        if output.exit_code is None:
            raise FactError(f"{self.label}: {output.problem}")
        if output.exit_code == _NOT_FOUND:
            raise FactError(f"{self.label}: openssl is not installed on the host", hint="install openssl")
        pem = _PEM.search(output.stdout)
        protocol = _PROTOCOL.search(output.stdout)
        if pem is None or protocol is None:
            lines = lines_of(output.stderr.strip()) or [f"exit code {output.exit_code}"]
            return TlsServed(trusted=False, verification=f"no handshake: {excerpt(lines[-1], 300)}")
        verification = _VERIFICATION.search(output.stdout)
        with parsing("TLS handshake"):
            if verification is None:
                raise ValueError("no result of the verification")
            result = verification[1].strip()
            return certificate_of(pem[0], verification=result, protocol=protocol[1])

    @property
    def label(self) -> str:
        """Name and port, and who asks."""
        where = f" at {self.address}" if self.address else ""
        return f"{self.id}({self.name}:{self.port}{where} from {self.asked_from})"


def certificate_of(pem: str, *, verification: str = "", protocol: str = "") -> TlsServed:
    """Return what a certificate in PEM says.

    Args:
        pem: The certificate; the first one, if there are several.
        verification: The result of its verification.
        protocol: The protocol of the handshake.

    Raises:
        ValueError: It is not a certificate.
    """
    first = _PEM.search(pem)
    if first is None:
        raise ValueError("there is no certificate in it")
    der = ssl.PEM_cert_to_DER_cert(first[0])
    certificate = x509.load_der_x509_certificate(der)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(str(name.value) for name in found)
    except x509.ExtensionNotFound:
        names = ()
    return TlsServed(
        trusted=verification == "OK",
        verification=verification,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=names,
        expires=certificate.not_valid_after_utc.isoformat(),
        sha256=hashlib.sha256(der).hexdigest(),
        protocol=protocol,
    )
