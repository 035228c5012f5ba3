"""Add a signature to a sealed run, after verifying what is signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.attestation.envelope import open_envelope, sign, write
from runbook_lib.attestation.envelope_file import locked
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.layout import ATTESTATION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from runbook_lib.attestation.trust import Trust
    from runbook_lib.audit.verify.approved_source import Approval
    from runbook_lib.audit.verify.verdict import Verdict

__all__ = ["countersign"]

_REFUSED = {Kind.ALTERED, Kind.FOREIGN}


def countersign(
    path: Path,
    signers: Sequence[CryptoSigner],
    *,
    trust: Trust | None = None,
    approved: Approval | None = None,
) -> Verdict:
    """Verify a sealed run, then add signatures to its attestation; one process at a time.

    Altered evidence is never signed. Incomplete evidence can be, since the statement itself says that it is.

    Args:
        path: The run directory.
        signers: Who signs.
        trust: As for `verify_run`.
        approved: As for `verify_run`.

    Returns:
        The verdict with the new signatures.

    Raises:
        InputError: The run is not sealed, or one of the keys has already signed it.
        EvidenceError: The evidence was altered, or the attestation cannot be written.
    """
    if not path.is_dir():
        raise InputError("not a run directory", where=str(path))
    with locked(path):
        if not (path / ATTESTATION).exists():
            raise InputError("not sealed yet", where=str(path), hint="seal it first: runbook audit seal")
        verdict = verify_run(path, trust=trust, approved=approved)
        if verdict.verdict in {Word.ALTERED, Word.FOREIGN}:
            why = "; ".join(
                f"{found.where}: {found.message}" for found in verdict.findings if found.kind in _REFUSED
            )
            raise EvidenceError(
                f"altered evidence is not signed: {why}",
                where=str(path),
                hint="`runbook audit verify` lists all findings",
            )
        envelope, _ = open_envelope(path)
        for signer in signers:
            if signer.public_key.keyid in envelope.signatures:
                raise InputError(
                    f"key {signer.public_key.keyid[:12]}… has already signed this run", where=str(path)
                )
        sign(envelope, signers)
        write(path, envelope)
        return verify_run(path, trust=trust, approved=approved)
