"""Seal a run: hash its evidence and state the outcome, signed if there is a key."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runbook_lib.attestation import statement
from runbook_lib.attestation.envelope_file import locked, unsigned, write_content
from runbook_lib.attestation.files import evidence
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL
from runbook_lib.evidence.liveness import still_running
from runbook_lib.evidence.regular_file import digest
from runbook_lib.project import operator
from runbook_lib.secrets import SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from runbook_lib.model.records import RunRecord

__all__ = ["URL", "Seal", "seal", "seal_run", "signers"]

URL = "RUNBOOK_RUN_URL"
"""Environment variable with the address of the CI job, for the statement's `url`."""


@dataclass(frozen=True)
class Seal:
    """The result of sealing a run.

    Args:
        path: The attestation.
        result: PASSED, WARNED or FAILED.
        key_ids: The keys that signed; none: the run is unsigned.
        record: The run's record, as it was sealed.
    """

    path: Path
    result: str
    key_ids: tuple[str, ...]
    record: RunRecord


def signers(key: str | None = None, passphrase: str | None = None) -> list[CryptoSigner]:
    """Return the signer named here or in the environment, in a list; see `keys.signers`.

    Raises:
        InputError: The key cannot be used.
    """
    if not (key or os.environ.get(SIGNING_KEY)):
        return []
    from runbook_lib.attestation import keys  # noqa: PLC0415 - slow to load; most runs are not signed

    return keys.signers(key, passphrase)


def seal_run(path: Path, signed_by: Sequence[CryptoSigner] | None = None) -> Seal | None:
    """Seal a run that has just ended; a run without a recorded end is left as it is.

    Args:
        path: The run directory.
        signed_by: Who signs; None: the key named in the environment, if any.

    Returns:
        None if the journal has no end of the run: `runbook audit seal` seals such a run as incomplete.

    Raises:
        InputError: The key cannot be used, or the run is already sealed.
        EvidenceError: The evidence cannot be read, or the attestation cannot be written.
    """
    chosen = signers() if signed_by is None else signed_by
    return _seal(path, chosen, later=False)


def seal(path: Path, signed_by: Sequence[CryptoSigner]) -> Seal:
    """Seal a run that was not sealed at its end.

    Args:
        path: The run directory.
        signed_by: Who signs; none: the run is sealed but unsigned.

    Raises:
        InputError: No such run directory, or the run is already sealed.
        EvidenceError: The run is still running, cannot be read, or the attestation cannot be written.
    """
    done = _seal(path, signed_by, later=True)
    assert done is not None  # noqa: S101 - a run without an end is skipped only at its own end
    return done


def _seal(path: Path, signed_by: Sequence[CryptoSigner], *, later: bool) -> Seal | None:
    """Seal a run; one without a recorded end is skipped unless it is sealed later, by hand."""
    if not path.is_dir():
        raise InputError("not a run directory", where=str(path), hint="name the directory with the journal")
    with locked(path):
        if (path / ATTESTATION).exists() or (path / ATTESTATION).is_symlink():
            raise InputError(
                "already sealed", where=str(path), hint="`runbook audit countersign` adds a signature"
            )
        before = digest(path / JOURNAL)
        record = judged_record(path)
        if record.incomplete and not later:
            return None
        if record.incomplete and still_running(path / JOURNAL, record):
            raise _still_running(path)
        subjects = {name: digest(path / name) for name in evidence(path)}
        if subjects[JOURNAL] != before:
            raise _still_running(path)
        sealed = statement.make(record, subjects, _sealed(later=later), os.environ.get(URL))
        if not signed_by:
            return Seal(write_content(path, unsigned(sealed)), sealed["predicate"]["result"], (), record)
        from runbook_lib.attestation.envelope import sign, wrap, write  # noqa: PLC0415 - as above

        envelope = wrap(sealed)
        key_ids = sign(envelope, signed_by)
        return Seal(write(path, envelope), sealed["predicate"]["result"], tuple(key_ids), record)


def _sealed(*, later: bool) -> dict[str, str | bool]:
    return {
        "by": operator(),
        "machine": platform.node(),
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "later": later,
    }


def _still_running(path: Path) -> EvidenceError:
    return EvidenceError("the run is still running", where=str(path), hint="seal it once it has ended")
