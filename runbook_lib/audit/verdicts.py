"""What verification says of a run, where it can be asked; the one place that knows how."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from runbook_lib.errors import InputError, RunbookError

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.archive import Archive

__all__ = ["Told", "verdict"]

_VERIFY = "runbook_lib.audit.verify"
_NO_REASONS = frozenset({"warning", "note"})
_MOST_REASONS = 3


@dataclass(frozen=True)
class Told:
    """A verdict.

    Args:
        word: `verified`, `unsigned`, `altered`, `incomplete` or `foreign`; `not asked` where nothing can say.
        reason: Why, in a sentence.
    """

    word: str
    reason: str


def verdict(archive: Archive, run: str, trust: Path | None = None) -> Told:
    """Return what verification says of a run.

    Without the verifier, only whether anything is signed: a signature is then told and not believed.
    """
    try:
        path = archive.locate(run)
    except InputError as problem:
        return Told("not asked", problem.message)
    if importlib.util.find_spec(_VERIFY) is None:
        return _unverified(path)
    try:
        said = importlib.import_module(_VERIFY).verify_run(path, trust=trust, approved=None)
    except RunbookError as problem:
        return Told("not asked", problem.message)
    reasons = [finding.message for finding in said.findings if finding.kind not in _NO_REASONS]
    return Told(str(said.verdict), "; ".join(reasons[:_MOST_REASONS]) or "nothing was found wrong")


def _unverified(path: Path) -> Told:
    file = path / "attestation.json" if path.is_dir() else path.with_suffix(".attestation.json")
    try:
        signed = orjson.loads(file.read_bytes()).get("signatures")
    except FileNotFoundError:
        return Told("unsigned", "there is no attestation")
    except (OSError, ValueError, AttributeError):
        return Told("altered", "its attestation cannot be read")
    if not signed:
        return Told("unsigned", "its attestation has no signature")
    return Told("not asked", "it is signed, and nothing here can verify the signature")
