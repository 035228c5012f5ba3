"""The lab's certificates are valid for their servers, made once, and nobody keeps the authority's key."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509

from runbook_lib.lab.certificates import make_certificates

if TYPE_CHECKING:
    from pathlib import Path


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_each_server_gets_a_certificate_of_the_authority_for_its_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    make_certificates(folder, store=["192.168.7.254"], registry=["192.168.7.31", "192.168.7.32"])
    authority, registry = loaded(folder / "ca.crt"), loaded(folder / "registry.crt")
    registry.verify_directly_issued_by(authority)
    loaded(folder / "store.crt").verify_directly_issued_by(authority)
    names = registry.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["192.168.7.31", "192.168.7.32"]
    assert registry.not_valid_before_utc < dt.datetime.now(dt.UTC) < registry.not_valid_after_utc
    assert ipaddress.ip_address("192.168.7.31") in names.get_values_for_type(x509.IPAddress)
    files = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert files == {
        "ca.crt": 0o644,
        "registry.crt": 0o644,
        "registry.expired.crt": 0o644,
        "registry.key": 0o600,
        "store.crt": 0o644,
        "store.expired.crt": 0o644,
        "store.key": 0o600,
    }


def test_the_expired_certificate_differs_from_the_valid_one_by_its_dates_alone(tmp_path: Path) -> None:
    make_certificates(tmp_path, registry=["192.168.7.31"])
    valid, expired = loaded(tmp_path / "registry.crt"), loaded(tmp_path / "registry.expired.crt")
    expired.verify_directly_issued_by(loaded(tmp_path / "ca.crt"))
    assert expired.not_valid_after_utc < dt.datetime.now(dt.UTC)
    assert expired.public_key() == valid.public_key()
    assert list(expired.extensions) == list(valid.extensions)


def test_certificates_that_are_there_stay(tmp_path: Path) -> None:
    make_certificates(tmp_path, store=["192.168.7.254"])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    make_certificates(tmp_path, store=["192.168.7.254"])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
