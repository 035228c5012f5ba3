"""Verify runs: signatures, hash chain, records, outputs, and the code that ran against its approved source.

The steps are in `checks.verify_directory` and `standalone_notebook.verify_notebook`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.checks import verify_directory
from runbook_lib.audit.verify.discovery import find_runs, is_run_directory
from runbook_lib.audit.verify.findings import Findings
from runbook_lib.audit.verify.standalone_notebook import verify_notebook
from runbook_lib.audit.verify.verdict import Verdict, Word
from runbook_lib.errors import InputError
from runbook_lib.garbage_collection import paused_gc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runbook_lib.audit.verify.discovery import Candidate

__all__ = ["exit_code", "verify_run", "verify_runs"]

_BAD_INPUT_HINT = "name a run directory, an executed notebook, or a directory of runs"


def verify_run(
    path: Path,
    *,
    trust: Trust | str | Path | Sequence[str | Path] | None = None,
    approved: Path | Approval | None = None,
    signers: int = 1,
) -> Verdict:
    """Return the verdict on one run; anything wrong with its evidence is a finding, not an error.

    Args:
        path: A run directory, or a standalone executed notebook.
        trust: The trusted public keys, or their files and folders; None: the project's `trusted_keys`.
        approved: Where approved sources are: a folder of notebooks, or as `Approval` says; None: git, at the
            commit that the run names, in the repository around the current directory.
        signers: How many different trusted keys must have signed.

    Raises:
        InputError: `path` is neither, or the trusted keys cannot be read.
    """
    keys = _trust(trust).for_evidence(path)
    approval = approved if isinstance(approved, Approval) else Approval(directory=approved)
    if is_run_directory(path):
        with paused_gc():
            return verify_directory(path, keys, approval, signers)
    if path.suffix == ".ipynb" and (path.is_file() or path.is_symlink()):
        return verify_notebook(path, approval)
    raise InputError("not a run", where=str(path), hint=_BAD_INPUT_HINT)


def verify_runs(
    paths: Sequence[Path],
    *,
    trust: Trust | str | Path | Sequence[str | Path] | None = None,
    approved: Path | Approval | None = None,
    signers: int = 1,
) -> Iterator[Verdict]:
    """Yield the verdict on each run in some directory trees, as soon as it is known; see `verify_run`.

    Raises:
        InputError: A path does not exist, or contains no run and no notebook.
    """
    for path in paths:
        if not path.exists():
            raise InputError("no such file or directory", where=str(path), hint=_BAD_INPUT_HINT)
    keys = _trust(trust)
    paths_by_run: dict[str, str] = {}
    for path in paths:
        found = False
        for candidate in find_runs(path):
            found = True
            if candidate.refused:
                yield _refused(candidate)
            else:
                verdict = verify_run(candidate.path, trust=keys, approved=approved, signers=signers)
                yield _flag_copy(verdict, paths_by_run) if is_run_directory(candidate.path) else verdict
        if not found:
            raise InputError("contains no run and no notebook", where=str(path), hint=_BAD_INPUT_HINT)


def exit_code(verdicts: Sequence[Verdict], allowed: Sequence[str] = ()) -> int:
    """Return the exit code for CI: 0 all verified or allowed, 1 altered, unsigned or foreign, 4 incomplete."""
    words = {verdict.verdict for verdict in verdicts} - {Word.VERIFIED} - {Word(word) for word in allowed}
    if words - {Word.INCOMPLETE}:
        return 1
    return 4 if words else 0


def _trust(trust: Trust | str | Path | Sequence[str | Path] | None) -> Trust:
    if isinstance(trust, Trust):
        return trust
    if trust is None:
        return Trust.of_project()
    return Trust.load(*([trust] if isinstance(trust, str | Path) else trust))


def _flag_copy(verdict: Verdict, paths_by_run: dict[str, str]) -> Verdict:
    """Return the verdict, with a finding if another directory contains a run of the same id: one of them is a copy."""
    first = paths_by_run.setdefault(verdict.run, verdict.path)
    if not verdict.run or Path(first).resolve() == Path(verdict.path).resolve():
        return verdict
    return verdict.with_altered(f"run {verdict.run} is already in {first}: one of the two is a copy")


def _refused(candidate: Candidate) -> Verdict:
    findings = Findings()
    add = findings.foreign if candidate.path.is_symlink() else findings.missing
    add(candidate.refused, where=str(candidate.path), part="files")
    return Verdict.of(candidate.path, findings)
