"""Ed25519 keys: made, and loaded from a file or through a secret reference.

A private key is PEM (PKCS#8), its public key PEM (SubjectPublicKeyInfo) beside it: what `openssl` reads too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from runbook_lib.errors import InputError, SecretError
from runbook_lib.secrets import Secrets

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

__all__ = ["KEY", "PASSPHRASE", "generate", "load", "signers"]

KEY = "RUNBOOK_SIGNING_KEY"
"""Environment variable with the signing key's reference, or its file."""
PASSPHRASE = "RUNBOOK_SIGNING_PASSPHRASE"  # noqa: S105 - a variable's name
"""Environment variable with the reference to that key's passphrase."""

_FILE = "${file:"
_OTHERS = 0o077


def generate(path: Path, passphrase: str | None = None) -> SSlibKey:
    """Make a key pair: the private key at `path`, only for its owner, the public key beside it as `.pub`.

    Args:
        path: A file that does not exist yet.
        passphrase: Reference to a secret that encrypts the private key.

    Returns:
        The public key.

    Raises:
        InputError: One of the files exists already or cannot be written; none was changed.
        SecretError: The passphrase cannot be resolved.
    """
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists() or file.is_symlink():
            raise InputError(
                "exists already: a key is never overwritten", where=str(file), hint="name another file"
            )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(Secrets().resolve(passphrase).encode())
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    shown = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(path, private, 0o600)
    _write_new(public, shown, 0o644)
    return CryptoSigner(key).public_key


def load(key: str, passphrase: str | None = None) -> CryptoSigner:
    """Return the signer that a reference leads to.

    Args:
        key: A private key's file, or a secret reference to its text.
        passphrase: Reference to the secret that decrypts it.

    Raises:
        InputError: It leads to no Ed25519 key, or to a file that others can read. The text is never shown.
        SecretError: A reference leads nowhere.
    """
    where = key if key.startswith("${") else "the signing key"
    if key.startswith(_FILE):
        _only_ours(Path(key[len(_FILE) : -1]).expanduser())
    if not key.startswith("${"):
        path = Path(key).expanduser()
        if "\n" in key or not path.is_file():
            # What was given may be the key itself: it is not repeated.
            raise InputError(
                "is neither a file nor a secret reference",
                where=where,
                hint="name the private key's file, or ${env:NAME}, ${file:PATH} or ${keyring:SERVICE/NAME}",
            )
        _only_ours(path)
        where, key = str(path), f"${{file:{path}}}"
    secrets = Secrets()
    secret = secrets.resolve(passphrase).encode() if passphrase else None
    return CryptoSigner(_private(secrets.resolve(key).encode(), secret, where))


def signers(key: str | None = None, passphrase: str | None = None) -> list[CryptoSigner]:
    """Return the signer given here or in the environment, in a list; without any the list is empty.

    Called before a run begins, so that a key that does not work is told before any host is touched.

    Raises:
        InputError: As `load`.
    """
    given = key or os.environ.get(KEY)
    if not given:
        return []
    return [load(given, passphrase or os.environ.get(PASSPHRASE) or None)]


def _private(text: bytes, passphrase: bytes | None, where: str) -> Ed25519PrivateKey:
    wrong = InputError(
        "is no private Ed25519 key in PEM",
        where=where,
        hint="make one with `runbook audit keygen PATH`",
    )
    try:
        key = serialization.load_pem_private_key(text, passphrase)
    except TypeError:
        # Neither chained nor quoted: what a library says of a secret stays out of messages.
        asked = "is encrypted, and no passphrase is given" if passphrase is None else "is not encrypted"
        raise SecretError(
            asked,
            where=where,
            hint=f"give --passphrase, or set {PASSPHRASE}, a secret reference, for an encrypted key only",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase is not None:
            raise SecretError("is no private key, or has another passphrase", where=where) from None
        raise wrong from None
    if not isinstance(key, Ed25519PrivateKey):
        raise wrong
    return key


def _only_ours(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # told when it is read
    if mode & _OTHERS:
        raise InputError(
            "is a private key that others can read or write",
            where=str(path),
            hint="if it is a key of yours, make it its owner's alone (mode 600), or better make a new one",
        )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
    except FileExistsError as problem:
        raise InputError("exists already: a key is never overwritten", where=str(path)) from problem
    except OSError as problem:
        raise InputError(f"the key cannot be written: {problem.strerror}", where=str(path)) from problem
