"""Seal a run: hash its evidence and say, signed where there is a key, what the run came to."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.attestation import statement
from runbook_lib.attestation.envelope import locked, sign, wrap, write
from runbook_lib.attestation.files import digest, evidence
from runbook_lib.attestation.keys import signers as signers_given
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.judge import judged_record
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL
from runbook_lib.evidence.liveness import still_running
from runbook_lib.project import operator as who

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from runbook_lib.model.records import RunRecord

__all__ = ["URL", "Seal", "seal", "seal_run"]

URL = "RUNBOOK_RUN_URL"
"""Environment variable with the address of the CI job, for the statement's `url`."""


@dataclass(frozen=True)
class Seal:
    """What sealing a run came to.

    Args:
        path: The attestation.
        result: PASSED, WARNED or FAILED.
        key_ids: Of those who signed; none: the run is unsigned.
        record: The run, as it was sealed.
    """

    path: Path
    result: str
    key_ids: tuple[str, ...]
    record: RunRecord


def seal_run(path: Path, signers: Sequence[CryptoSigner] | None = None) -> Seal | None:
    """Seal a run that has just ended; one without an end of its own is left as it is.

    Args:
        path: The run directory.
        signers: Who signs; None: the key that the environment refers to, if any.

    Returns:
        None where the journal does not tell the run's end: `runbook audit seal` seals that one, as what it is.

    Raises:
        InputError: The key cannot be used, or the run is sealed already.
        EvidenceError: The evidence cannot be read or the attestation not be written.
    """
    chosen = signers_given() if signers is None else signers
    return _seal(path, chosen, later=False)


def seal(path: Path, signers: Sequence[CryptoSigner]) -> Seal:
    """Write the `attestation.json` of a run that was not sealed at its own end.

    Args:
        path: The run directory.
        signers: Who signs; without any the hashes stand there unsigned.

    Raises:
        InputError: There is no such run directory, or it is sealed already.
        EvidenceError: The run is still under way, cannot be read, or the attestation not be written.
    """
    done = _seal(path, signers, later=True)
    assert done is not None  # noqa: S101 - what is sealed by hand is sealed as what it is
    return done


def _seal(path: Path, signers: Sequence[CryptoSigner], *, later: bool) -> Seal | None:
    """Seal a run, by hand or at its own end; then one that tells no end is left as it is."""
    if not path.is_dir():
        raise InputError("is no run directory", where=str(path), hint="name the directory with the journal")
    with locked(path):
        if (path / ATTESTATION).exists() or (path / ATTESTATION).is_symlink():
            raise InputError(
                "is sealed already", where=str(path), hint="`runbook audit countersign` adds a signature"
            )
        before = digest(path / JOURNAL)
        record = judged_record(path)
        if record.incomplete and not later:
            return None
        if record.incomplete and still_running(path / JOURNAL, record):
            raise _under_way(path)
        subjects = {name: digest(path / name) for name in evidence(path)}
        if subjects[JOURNAL] != before:
            raise _under_way(path)
        told = statement.make(record, subjects, _sealed(later=later), os.environ.get(URL))
        envelope = wrap(told)
        key_ids = sign(envelope, signers)
        return Seal(write(path, envelope), told["predicate"]["result"], tuple(key_ids), record)


def _sealed(*, later: bool) -> dict[str, str | bool]:
    return {
        "by": who(),
        "machine": platform.node(),
        "time": datetime.now(UTC).isoformat(),
        "later": later,
    }


def _under_way(path: Path) -> EvidenceError:
    return EvidenceError("the run is still under way", where=str(path), hint="seal it once it has ended")
