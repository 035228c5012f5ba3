"""What is released: a commit with a tag and a section in the changelog, and nothing that is not committed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tree"]

_TAG = re.compile(r"v(?P<version>[0-9]+(?:\.[0-9]+)+(?:(?:a|b|rc)[0-9]+)?)")


@dataclass(frozen=True)
class Tree:
    """The state of a repository.

    Args:
        top: Its directory.
        commit: The commit that is checked out.
        committed: Seconds since the epoch.
        tag: The tag of a release on this commit; empty if there is none.
    """

    top: Path
    commit: str
    committed: int
    tag: str

    @classmethod
    def read(cls, top: Path) -> Tree:
        """Return the state of a repository.

        Raises:
            InputError: Not a git repository, or something is not committed, or the commit has two such tags.
        """
        dirty = _git(top, "status", "--porcelain").splitlines()
        if dirty:
            raise InputError(
                f"{len(dirty)} files are not committed, such as {dirty[0][3:]}",
                where=str(top),
                hint="commit them, or remove them: a release is one commit",
            )
        tags = [tag for tag in _git(top, "tag", "--points-at", "HEAD").split() if _TAG.fullmatch(tag)]
        if len(tags) > 1:
            raise InputError(
                f"the commit has several versions: {', '.join(tags)}", where=str(top), hint="delete one tag"
            )
        commit, committed = _git(top, "log", "-1", "--format=%H %ct").split()
        return cls(top, commit, int(committed), tags[0] if tags else "")

    @property
    def version(self) -> str:
        """The version that the tag names; empty if there is none."""
        return self.tag.removeprefix("v")

    def require_release(self) -> None:
        """Refuse a commit that is not a release.

        Raises:
            InputError: There is no tag, or the changelog says nothing of the version.
        """
        if not self.tag:
            raise InputError(
                f"commit {self.commit[:12]} has no tag of a version",
                where=str(self.top),
                hint="git tag -a v1.2.3 -m 1.2.3; or --development, to try it without",
            )
        headings = re.findall(
            r"^## (\S+?),? .*$", (self.top / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
        )
        if self.version not in headings:
            raise InputError(
                f"no section for version {self.version}",
                where=str(self.top / "CHANGELOG.md"),
                hint=f"begin it with the line: ## {self.version}, YYYY-MM-DD",
            )


def _git(top: Path, *words: str) -> str:
    ended = subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InputError(
            f"git {words[0]}: {ended.stderr.strip()}", where=str(top), hint="release from a clone"
        )
    return ended.stdout
