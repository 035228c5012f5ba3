"""Ed25519 keys: generated, and loaded from a file or through a secret reference.

A private key is PEM (PKCS#8), its public key PEM (SubjectPublicKeyInfo) in a file next to it; `openssl` reads both.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from runbook_lib import secrets
from runbook_lib.errors import InputError, SecretError
from runbook_lib.project import expanded
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

    from securesystemslib.signer import SSlibKey

__all__ = ["KEY", "PASSPHRASE", "generate", "load", "signers"]

KEY = secrets.SIGNING_KEY
"""Environment variable with the signing key's reference, or its file."""
PASSPHRASE = secrets.SIGNING_PASSPHRASE
"""Environment variable with the reference to that key's passphrase."""

_FILE = "${file:"
_OTHERS = 0o077


def generate(path: Path, passphrase: str | None = None) -> SSlibKey:
    """Make a key pair: the private key at `path`, readable by its owner only, the public key next to it as `.pub`.

    Args:
        path: A file that does not exist yet; its directory is made, for its owner only, if it does not exist.
        passphrase: Reference to a secret that encrypts the private key.

    Returns:
        The public key.

    Raises:
        InputError: One of the files already exists or cannot be written; none was changed.
        SecretError: The passphrase cannot be resolved.
    """
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists() or file.is_symlink():
            raise InputError(
                "already exists: a key is never overwritten", where=str(file), hint="name another file"
            )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(Secrets().resolve(passphrase).encode())
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(path, private, 0o600)
    _write_new(public, public_pem, 0o644)
    return CryptoSigner(key).public_key


def load(key: str, passphrase: str | None = None) -> CryptoSigner:
    """Return the signer that a reference names.

    Args:
        key: A private key's file, or a secret reference to its text.
        passphrase: Reference to the secret that decrypts it.

    Raises:
        InputError: Not an Ed25519 key, or a file that others can read. The key is never shown.
        SecretError: A reference cannot be resolved.
    """
    where = key if key.startswith("${") else "the signing key"
    if key.startswith(_FILE):
        _require_private(expanded(key[len(_FILE) : -1]))
    if not key.startswith("${"):
        path = expanded(key)
        if "\n" in key or not path.is_file():
            # The value may be the key itself: it is not repeated.
            raise InputError(
                "neither a file nor a secret reference",
                where=where,
                hint="name the private key's file, or ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}",
            )
        _require_private(path)
        where, key = str(path), f"${{file:{path}}}"
    known = Secrets()
    secret = known.resolve(passphrase).encode() if passphrase else None
    return CryptoSigner(_private(known.resolve(key).encode(), secret, where))


def signers(key: str | None = None, passphrase: str | None = None) -> list[CryptoSigner]:
    """Return the signer named here or in the environment, in a list; the list is empty if there is none.

    Call it before a run starts, so that a key that cannot be used is reported before any host is touched.

    Raises:
        InputError: As `load`.
    """
    given = key or os.environ.get(KEY)
    if not given:
        return []
    return [load(given, passphrase or os.environ.get(PASSPHRASE) or None)]


def _private(text: bytes, passphrase: bytes | None, where: str) -> Ed25519PrivateKey:
    wrong = InputError(
        "not a private Ed25519 key in PEM",
        where=where,
        hint="make one with `runbook audit keygen PATH`",
    )
    try:
        key = serialization.load_pem_private_key(text, passphrase)
    except TypeError:
        # Neither chained nor quoted: what a library says about a secret stays out of messages.
        reason = "encrypted, but no passphrase is given" if passphrase is None else "not encrypted"
        raise SecretError(
            reason,
            where=where,
            hint=f"for an encrypted key only, give --passphrase or set {PASSPHRASE} to a secret reference",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase is not None:
            raise SecretError("not a private key, or the passphrase is wrong", where=where) from None
        raise wrong from None
    if not isinstance(key, Ed25519PrivateKey):
        raise wrong
    return key


def _require_private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # reading the file reports this
    if mode & _OTHERS:
        raise InputError(
            "other users can read or write this private key",
            where=str(path),
            hint=f"chmod 600 {path}; if others could read the key, make a new one",
        )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
    except FileExistsError as problem:
        raise InputError("already exists: a key is never overwritten", where=str(path)) from problem
    except OSError as problem:
        raise InputError(f"the key cannot be written: {problem.strerror}", where=str(path)) from problem
