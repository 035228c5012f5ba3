"""Statements about runs: the hashes of the evidence and the outcome, signed if there is a key."""

from __future__ import annotations

from runbook_lib.attestation.sealing import Seal, seal, seal_run, signers
from runbook_lib.evidence.layout import ATTESTATION

__all__ = ["ATTESTATION", "Seal", "seal", "seal_run", "signers"]
