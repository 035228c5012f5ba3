"""Verify runs: signatures, hash chain, records, outputs, and the code that ran against its approved source."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.discovery import is_run_directory, runs_below
from runbook_lib.audit.verify.lone_notebook import verify_notebook
from runbook_lib.audit.verify.run_directory import verify_directory
from runbook_lib.audit.verify.verdict import Finding, Kind, Verdict, Word, decide
from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["exit_code", "verify_below", "verify_run"]

_BAD_INPUT_HINT = "name a run directory, an executed notebook, or a directory of runs"


def verify_run(
    path: Path,
    *,
    trust: Trust | Path | Sequence[Path] | None = None,
    approved: Path | Approval | None = None,
    signers: int = 1,
) -> Verdict:
    """Return what one run's evidence is worth; whatever is wrong with it is a finding.

    Args:
        path: A run directory, or an executed notebook that lies alone.
        trust: The public keys that count, or where they are; None: the project's `trusted_keys`.
        approved: Where approved sources are: a folder of notebooks, or as `Approval` says; None: git, at the
            commit that the run names, in the repository around the current directory.
        signers: How many different trusted keys must have signed.

    Raises:
        InputError: There is nothing at `path`, it is neither, or the trusted keys cannot be read.
    """
    keys = _trust(trust)
    approval = approved if isinstance(approved, Approval) else Approval(directory=approved)
    if is_run_directory(path):
        with _uncollected():
            return verify_directory(path, keys, approval, signers)
    if path.suffix == ".ipynb" and (path.is_file() or path.is_symlink()):
        return verify_notebook(path, approval)
    raise InputError("is no run", where=str(path), hint=_BAD_INPUT_HINT)


def verify_below(
    paths: Sequence[Path],
    *,
    trust: Trust | Path | Sequence[Path] | None = None,
    approved: Path | Approval | None = None,
    signers: int = 1,
) -> Iterator[Verdict]:
    """Yield the verdict of each run at and below some paths, as soon as it is known; see `verify_run`.

    Raises:
        InputError: A path does not exist, or nothing below it is a run or a notebook.
    """
    for path in paths:
        if not path.exists():
            raise InputError("there is no such file or directory", where=str(path), hint=_BAD_INPUT_HINT)
    keys = _trust(trust)
    for path in paths:
        found = False
        for place in runs_below(path):
            found = True
            if place.refused:
                yield _refused(place.path, place.refused)
            else:
                yield verify_run(place.path, trust=keys, approved=approved, signers=signers)
        if not found:
            raise InputError("holds no run and no notebook", where=str(path), hint=_BAD_INPUT_HINT)


def exit_code(verdicts: Sequence[Verdict], allowed: Sequence[str] = ()) -> int:
    """Return the exit code for CI: 0 all verified or allowed, 1 altered, unsigned or foreign, 4 incomplete."""
    words = {verdict.verdict for verdict in verdicts} - {Word.VERIFIED} - {Word(word) for word in allowed}
    if words - {Word.INCOMPLETE}:
        return 1
    return 4 if words else 0


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking over parsed JSON again and again: it has no cycles."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _trust(trust: Trust | Path | Sequence[Path] | None) -> Trust:
    if isinstance(trust, Trust):
        return trust
    if trust is None:
        return Trust.of_project()
    return Trust.load(*([trust] if isinstance(trust, Path) else trust))


def _refused(path: Path, why: str) -> Verdict:
    kind = Kind.FOREIGN if path.is_symlink() else Kind.MISSING
    finding = Finding(kind=kind, part="files", where=str(path), message=why)
    return Verdict(path=str(path), verdict=decide([finding]), findings=[finding])
