"""Approved sources: a folder of notebooks, or the template in git at the commit that a run names.

git only reads objects: no working tree, hook, filter, replacement or network is involved.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.evidence.regular_file import read
from runbook_lib.git import git_output
from runbook_lib.project import project_top

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.verify.findings import Findings

__all__ = ["Approval", "approved_notebook"]

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NAME = re.compile(r"[\w][\w.-]*")
_GIT_TIMEOUT = 30.0  # seconds
_USE_APPROVED = "compare with a folder of approved notebooks: --approved"
_UNCOMMITTED = "the code was not committed when it ran: no commit contains all of it"


@dataclass(frozen=True)
class Approval:
    """Where approved sources are.

    Args:
        directory: A folder of approved notebooks; it takes precedence over git.
        repository: The project in a git repository; None: the project around the current directory.
        ref: A branch or tag: only commits that it contains are approved.
        wanted: Whether to compare the code at all.
    """

    directory: Path | None = None
    repository: Path | None = None
    ref: str = ""
    wanted: bool = True

    def __str__(self) -> str:
        """Return where the approved sources are, in words."""
        if not self.wanted:
            return "not compared"
        if self.directory is not None:
            return f"the notebooks in {self.directory}"
        top = (self.repository or project_top()).absolute()
        return f"the git repository of {top}" + (f", {self.ref}" if self.ref else "")

    def check(self) -> None:
        """Check that the sources exist.

        Raises:
            InputError: The folder or repository does not exist, or has no such branch or tag.
        """
        if self.directory is not None and not self.directory.is_dir():
            raise InputError("no such folder of approved notebooks", where=str(self.directory))
        top = self.repository or project_top()
        if self.repository is not None and _git(top, "rev-parse", "--git-dir") is None:
            raise InputError("not a git repository", where=str(top), hint="name a clone of the project")
        if (
            self.ref
            and _git(top, "rev-parse", "--verify", "--end-of-options", f"{self.ref}^{{commit}}") is None
        ):
            raise InputError(f"has no branch, tag or commit {self.ref!r}", where=str(top))


def approved_notebook(start: dict[str, Any], approval: Approval, findings: Findings) -> Notebook | None:
    """Return the approved notebook for a run.

    Args:
        start: The record of the run's start.
        approval: Where to look.
        findings: The reason is added here if there is no approved notebook, and None is returned.
    """
    name = start.get("runbook")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        findings.altered(f"{name!r} is not the name of a runbook", where="")
        return None
    source = start.get("source")
    source = source if isinstance(source, dict) else {}
    if approval.directory is not None:
        if source.get("uncommitted", True):
            findings.warning(_UNCOMMITTED, where="")
        return _from_directory(name, approval.directory, findings)
    commit = source.get("commit")
    if commit is None:
        findings.missing(f"the run does not name the commit of its runbook; {_USE_APPROVED}", where="")
        return None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        findings.altered(f"{commit!r} is not a commit"[:200], where="")
        return None
    if source.get("uncommitted", True):
        findings.missing(_UNCOMMITTED, where=f"commit {commit[:12]}")
    return _from_git(name, commit, approval, findings)


def _from_directory(name: str, directory: Path, findings: Findings) -> Notebook | None:
    path = directory / f"{name}.ipynb"
    try:
        return _parsed(read(path), str(path))
    except EvidenceError as problem:
        findings.missing(f"no approved notebook to compare with: {problem.message}", where=str(path))
        return None


def _from_git(name: str, commit: str, approval: Approval, findings: Findings) -> Notebook | None:
    top = (approval.repository or project_top()).absolute()
    file = f"notebooks/{name}.ipynb"
    where = f"commit {commit[:12]} {file}"
    if _git(top, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        why = f"{top} has no such commit; name the project's clone with --repository, or {_USE_APPROVED}"
        findings.missing(why, where=f"commit {commit[:12]}")
        return None
    if (
        approval.ref
        and _git(top, "merge-base", "--is-ancestor", "--end-of-options", commit, approval.ref) is None
    ):
        findings.altered(f"the commit is not in {approval.ref}", where=where)
        return None
    data = _git(top, "cat-file", "blob", f"{commit}:./{file}")
    if data is None:
        findings.missing(f"the commit has no such notebook; {_USE_APPROVED}", where=where)
        return None
    try:
        return _parsed(data, where)
    except EvidenceError as problem:
        findings.missing(f"the approved notebook cannot be read: {problem.message}", where=where)
        return None


def _parsed(data: bytes, name: str) -> Notebook:
    return replace(Notebook.parse(data, name), sha256=hashlib.sha256(data).hexdigest())


def _git(top: Path, *arguments: str) -> bytes | None:
    """Return what a git command prints; None if it fails. Answers are remembered, failures are not."""
    try:
        return _remembered(top, *arguments)
    except LookupError:
        return None


@functools.lru_cache(maxsize=256)
def _remembered(top: Path, *arguments: str) -> bytes:
    # An auditor need not own the clone: only objects are read, so its owner does not matter.
    printed = git_output(top, *arguments, timeout=_GIT_TIMEOUT, any_owner=True)
    if printed is None:
        raise LookupError
    return printed
