"""`attestation.json`: a statement in a DSSE envelope, with any number of signatures."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature

from runbook_lib.attestation.envelope_file import PAYLOAD_TYPE, payload, write_content
from runbook_lib.attestation.trust import Trust, public_key
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION
from runbook_lib.evidence.regular_file import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner, SSlibKey

__all__ = ["CheckedSignature", "check", "open_envelope", "sign", "wrap", "write"]

# Signatures of earlier versions carry their public key, never trusted for it. DSSE has no such field: strict readers
# refuse it.
_OWN_KEY = "key"
_NUMBER = re.compile(r"#\d+$")


class CheckedSignature:
    """What one signature of an envelope is worth.

    Args:
        key_id: As the signature claims it.
        name: The key's holder, from the trusted keys; empty if the key is not trusted.
        valid: Whether the signature is valid; None if its public key is not available.
        trusted: Whether it is valid by a trusted key.
    """

    def __init__(self, key_id: str, name: str, *, valid: bool | None, trusted: bool) -> None:
        self.key_id = key_id
        self.name = name
        self.valid = valid
        self.trusted = trusted


def wrap(statement: dict[str, Any]) -> Envelope:
    """Return a statement in an unsigned envelope."""
    return Envelope(payload(statement), PAYLOAD_TYPE, {})


def sign(envelope: Envelope, signers: Sequence[CryptoSigner]) -> list[str]:
    """Add signatures; return the ids of the keys that made them."""
    for signer in signers:
        envelope.sign(signer)
    return [signer.public_key.keyid for signer in signers]


def check(envelope: Envelope, trust: Trust) -> list[CheckedSignature]:
    """Check each signature, in their order."""
    pae = envelope.pae()
    return [_check(signature, pae, trust) for signature in envelope.signatures.values()]


def _check(signature: Signature, pae: bytes, trust: Trust) -> CheckedSignature:
    # In DSSE a key's id is a hint that nobody vouches for, and may be missing: each tool makes its own.
    for key in trust.keys.values():
        if _verifies(key, signature, pae):
            return CheckedSignature(key.keyid, trust.names.get(key.keyid, ""), valid=True, trusted=True)
    claimed = signature.keyid
    if claimed in trust.keys:
        return CheckedSignature(claimed, trust.names.get(claimed, ""), valid=False, trusted=False)
    own = public_key(signature.unrecognized_fields.get(_OWN_KEY))
    if own is None or own.keyid != claimed:
        return CheckedSignature(claimed, "", valid=None, trusted=False)
    return CheckedSignature(claimed, "", valid=_verifies(own, signature, pae), trusted=False)


def _verifies(key: SSlibKey, signature: Signature, pae: bytes) -> bool:
    try:
        # The library refuses another id before it looks at the signature.
        key.verify_signature(Signature(key.keyid, signature.signature), pae)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True


def open_envelope(directory: Path, name: str = ATTESTATION) -> tuple[Envelope, dict[str, Any]]:
    """Return the envelope of a run, or of another directory, and the statement in it; signatures are not checked.

    Args:
        directory: Where it is.
        name: The name of its file.

    Raises:
        EvidenceError: The file cannot be read, or is not an envelope with an in-toto statement.
    """
    path = directory / name
    data = read(path)
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, FormatError) as problem:
        raise EvidenceError(
            f"not a DSSE envelope with an in-toto statement: {type(problem).__name__}: {problem}"[:300],
            where=str(path),
        ) from problem


def _parse(data: bytes) -> tuple[Envelope, dict[str, Any]]:
    content = json.loads(data)
    _number_signatures(content["signatures"])
    envelope = Envelope.from_dict(content)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ValueError(f"the payload type is {envelope.payload_type!r}")
    statement = json.loads(envelope.payload)
    if not isinstance(statement, dict):
        raise TypeError("the payload is not a statement")
    return envelope, statement


def _number_signatures(signatures: list[dict[str, Any]]) -> None:
    """Give each signature an id of its own: the library keeps them by id, and DSSE requires none."""
    known: set[str] = set()
    for number, signature in enumerate(signatures, start=1):
        claimed = signature.get("keyid") or ""
        if not claimed or claimed in known:
            claimed = f"{claimed}#{number}"
        known.add(claimed)
        signature["keyid"] = claimed


def write(directory: Path, envelope: Envelope, name: str = ATTESTATION) -> Path:
    """Write an envelope in one step; it is on disk when this returns.

    Args:
        directory: Where to write it.
        envelope: With any number of signatures.
        name: The name of the file.

    Raises:
        EvidenceError: The envelope cannot be written; an earlier one stays as it was.
    """
    content = envelope.to_dict()
    for signature in content["signatures"]:
        signature["keyid"] = _NUMBER.sub("", signature["keyid"])  # as the other tool wrote it
    return write_content(directory, content, name)
