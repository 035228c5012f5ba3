"""Whether the files that a run executes are those of a git commit: each file is hashed and compared with the tree.

`git status` is not asked: it answers from the index, where a file can be marked as unchanged (`assume-unchanged`,
`skip-worktree`), and leaves out what its settings say. What is not known counts as uncommitted.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.git import git_output

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["head_commit", "is_committed"]

_FOLDERS = ("notebooks", "runbook_lib")
_CODE = (".py", ".pyc", ".so", ".ipynb", ".pth")
_CACHES = frozenset(
    {"__pycache__", ".ipynb_checkpoints"}
)  # written by Python and Jupyter, read from by neither as is
_TIMEOUT = 10.0  # seconds
_LINK, _SUBMODULE = "120000", "160000"


def head_commit(top: Path) -> str | None:
    """Return the commit that a directory is checked out at; None outside git, or if git fails or does not answer."""
    commit = _git(top, "rev-parse", "--verify", "HEAD")
    return commit.decode().strip() if commit else None


def is_committed(top: Path, commit: str, notebook: str) -> bool:
    """Return whether the notebook and all code of a project are known to be those of a commit.

    Args:
        top: The project's directory.
        commit: The commit.
        notebook: The path of the notebook that runs; empty if it is not known.
    """
    listing = _git(top, "ls-tree", "-r", "-z", commit, "--", *_FOLDERS)
    if listing is None:
        return False
    tree: dict[str, tuple[str, str]] = {}
    for line in filter(None, listing.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _, digest = about.decode().split(" ")
        tree[os.fsdecode(name)] = (mode, digest)
    try:
        unchanged = all(
            _is_unchanged(top / name, *entry) or _is_same_source(top, name, *entry)
            for name, entry in tree.items()
        )
        found = set(_files(top))
    except (OSError, EvidenceError):
        return False
    return unchanged and _is_in(notebook, top, tree.keys()) and _only_ignored(top, found - tree.keys())


def _is_unchanged(path: Path, mode: str, digest: str) -> bool:
    if mode == _SUBMODULE:
        return False
    data = os.fsencode(path.readlink()) if mode == _LINK else path.read_bytes()
    if path.is_symlink() != (mode == _LINK):
        return False
    make = (
        hashlib.sha1
        if len(digest) == len(hashlib.sha1(usedforsecurity=False).hexdigest())
        else hashlib.sha256
    )
    return make(b"blob %d\0" % len(data) + data).hexdigest() == digest


def _is_same_source(top: Path, name: str, mode: str, digest: str) -> bool:
    """Return whether a notebook differs from the committed one only in what is not its source.

    Jupyter writes outputs, counts and its own metadata into the file that it has open.
    """
    if not name.endswith(".ipynb") or mode in {_LINK, _SUBMODULE} or (top / name).is_symlink():
        return False
    committed = _git(top, "cat-file", "blob", digest)
    if committed is None:
        return False
    working = Notebook.parse((top / name).read_bytes(), name)
    return working.source_sha256() == Notebook.parse(committed, name).source_sha256()


def _is_in(notebook: str, top: Path, names: Collection[str]) -> bool:
    path = Path(notebook)
    if not notebook or not path.is_absolute():
        path = top / path
    resolved = path.resolve()
    return (
        bool(notebook)
        and resolved.is_relative_to(top.resolve())
        and str(resolved.relative_to(top.resolve())) in names
    )


def _files(top: Path) -> list[str]:
    found = []
    for folder in _FOLDERS:
        for directory, names, files in os.walk(top / folder, onerror=_raise):
            names[:] = [name for name in names if name not in _CACHES]
            links = [name for name in names if Path(directory, name).is_symlink()]
            found += [os.path.relpath(Path(directory, name), top) for name in [*files, *links]]
    return found


def _raise(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError):
        raise problem


def _only_ignored(top: Path, names: set[str]) -> bool:
    """Return whether files outside the commit are not code, and named in `.gitignore`."""
    if any(name.endswith(_CODE) for name in names):
        return False
    if not names:
        return True
    answer = _git(
        top, "check-ignore", "-z", "--no-index", "--stdin", given=b"\0".join(map(os.fsencode, sorted(names)))
    )
    return answer is not None and len(names) == len([*filter(None, answer.split(b"\0"))])


def _git(top: Path, *arguments: str, given: bytes = b"") -> bytes | None:
    return git_output(top, *arguments, timeout=_TIMEOUT, given=given)
