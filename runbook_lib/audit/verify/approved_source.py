"""Approved sources: a folder of notebooks, or the template in git at the commit that a run names.

git is only asked for an object's bytes: no working tree, no hook, no filter, no replacement, no network.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.attestation.files import read
from runbook_lib.audit.verify.verdict import Finding, Kind
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.audit.verify.journal_chain import Entry

__all__ = ["Approval", "template"]

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NAME = re.compile(r"[\w][\w.-]*")
_PATIENCE = 30.0
# An archive's auditor need not own the clone; objects alone are read, so that whose it is does not matter.
_SETTINGS = ("safe.directory=*", "core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.allow=never")
_UNCOMMITTED = "the code was not committed when it ran: no commit tells all of it"


@dataclass(frozen=True)
class Approval:
    """Where approved sources are.

    Args:
        directory: A folder of approved notebooks; it wins over git.
        repository: The project in a git repository; None: the one around the current directory.
        ref: A branch or tag: only commits that it contains are approved.
        wanted: Whether code is compared at all.
    """

    directory: Path | None = None
    repository: Path | None = None
    ref: str = ""
    wanted: bool = True

    def check(self) -> None:
        """Refuse what cannot be looked at.

        Raises:
            InputError: The folder or the repository is not there, or has no such branch or tag.
        """
        if self.directory is not None and not self.directory.is_dir():
            raise InputError("there is no such folder of approved notebooks", where=str(self.directory))
        top = self.repository or project_top()
        if self.repository is not None and _ask(top, "rev-parse", "--git-dir") is None:
            raise InputError("is no git repository", where=str(top), hint="name the project's clone")
        if (
            self.ref
            and _ask(top, "rev-parse", "--verify", "--end-of-options", f"{self.ref}^{{commit}}") is None
        ):
            raise InputError(f"has no branch, tag or commit {self.ref!r}", where=str(top))


def template(opened: Entry, approval: Approval, findings: list[Finding]) -> Notebook | None:
    """Return the approved notebook for a run.

    Args:
        opened: The line of the run's start.
        approval: Where to look.
        findings: Whatever stands in the way is added here, and then None is returned.
    """
    name = opened.get("runbook")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        findings.append(_finding(Kind.ALTERED, "", f"{name!r} is no runbook's name"))
        return None
    told = opened.get("source")
    source = told if isinstance(told, dict) else {}
    if approval.directory is not None:
        if source.get("uncommitted", True):
            findings.append(_finding(Kind.WARNING, "", _UNCOMMITTED))
        return _of_directory(name, approval.directory, findings)
    findings.extend(_told_by_git(source))
    commit = source.get("commit")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        return None
    return _of_git(name, commit, approval, findings)


def _told_by_git(source: Entry) -> Iterator[Finding]:
    commit = source.get("commit")
    if commit is None:
        hint = "compare with a folder of approved notebooks: --approved"
        yield _finding(Kind.MISSING, "", f"the run names no commit that its runbook came from; {hint}")
    elif not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        yield _finding(Kind.ALTERED, "", f"{commit!r} is no commit"[:200])
    elif source.get("uncommitted", True):
        yield _finding(Kind.MISSING, f"commit {commit[:12]}", _UNCOMMITTED)


def _of_directory(name: str, directory: Path, findings: list[Finding]) -> Notebook | None:
    path = directory / f"{name}.ipynb"
    try:
        return Notebook.parse(read(path), str(path))
    except EvidenceError as problem:
        findings.append(
            _finding(
                Kind.MISSING, str(path), f"there is no approved notebook to compare with: {problem.message}"
            )
        )
        return None


def _of_git(name: str, commit: str, approval: Approval, findings: list[Finding]) -> Notebook | None:
    top = (approval.repository or project_top()).absolute()
    place = f"notebooks/{name}.ipynb"
    where = f"commit {commit[:12]} {place}"
    if _ask(top, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        why = f"{top} has no such commit; name the project's clone with --repository, or use --approved"
        findings.append(_finding(Kind.MISSING, f"commit {commit[:12]}", why))
        return None
    if (
        approval.ref
        and _ask(top, "merge-base", "--is-ancestor", "--end-of-options", commit, approval.ref) is None
    ):
        findings.append(_finding(Kind.ALTERED, where, f"the commit is not in {approval.ref}"))
        return None
    data = _ask(top, "cat-file", "blob", f"{commit}:./{place}")
    if data is None:
        why = "the commit has no such notebook; --approved compares with a folder of notebooks"
        findings.append(_finding(Kind.MISSING, where, why))
        return None
    try:
        return Notebook.parse(data, where)
    except EvidenceError as problem:
        findings.append(_finding(Kind.MISSING, where, f"the approved notebook {problem.message}"))
        return None


def _ask(top: Path, *arguments: str) -> bytes | None:
    """Return what git answers; None where it refuses or there is none."""
    try:
        return _answer(top, *arguments)
    except LookupError:
        return None


@functools.lru_cache(maxsize=256)
def _answer(top: Path, *arguments: str) -> bytes:
    given = [part for setting in _SETTINGS for part in ("-c", setting)]
    # What points git elsewhere is left out, and nothing is fetched, replaced or written.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
    try:
        done = subprocess.run(
            ["git", *given, "-C", str(top), "--no-pager", *arguments],
            capture_output=True,
            env=environment,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise LookupError from problem
    if done.returncode:
        raise LookupError
    return done.stdout


def _finding(kind: Kind, where: str, message: str) -> Finding:
    return Finding(kind=kind, part="source", where=where, message=message)
