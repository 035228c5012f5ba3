"""Where this package was installed from, and the command by which pip installs extras from the same place."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

__all__ = ["Origin"]

_NAME = "runbook-lib"


@dataclass(frozen=True)
class Origin:
    """Where the package came from, as pip has recorded it (PEP 610); a package index without any record.

    Args:
        url: A repository, with its commit, or a file on a server, as in a requirement after `@`; or empty.
        path: A directory or a wheel on this machine, or None.
        editable: Whether the directory itself is imported, not a copy.
    """

    url: str = ""
    path: Path | None = None
    editable: bool = False

    @classmethod
    def installed(cls) -> Self:
        """Return where the package that is running came from."""
        try:
            record = importlib.metadata.distribution(_NAME).read_text("direct_url.json")
        except importlib.metadata.PackageNotFoundError:
            return cls(path=Path(__file__).parents[1])  # imported from a clone that is not installed
        return cls.parse(record)

    @classmethod
    def parse(cls, record: str | None) -> Self:
        """Return what a record says; a record that cannot be read counts as none.

        Args:
            record: The text of `direct_url.json`, or None.
        """
        try:
            fields = json.loads(record or "{}")
            parts = urlsplit(fields.get("url", ""))
            if repository := fields.get("vcs_info"):
                folder = f"#subdirectory={fields['subdirectory']}" if fields.get("subdirectory") else ""
                return cls(url=f"{repository['vcs']}+{fields['url']}@{repository['commit_id']}{folder}")
            if parts.scheme == "file":
                editable = fields.get("dir_info", {}).get("editable") is True
                return cls(path=Path(unquote(parts.path)), editable=editable)
            return cls(url=parts.geturl())
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def requirement(self, *extras: str) -> str | None:
        """Return the line for a requirements file that installs this package from the same place on any machine.

        Args:
            extras: Names of extras.

        Returns:
            The line; None if the place is on this machine.
        """
        if self.path:
            return None
        return f"{_NAME}{_listed(extras)}" + (f" @ {self.url}" if self.url else "")

    def pip_install(self, *extras: str) -> str:
        """Return the command that installs extras of this package, from the place that it came from.

        Args:
            extras: Names of extras.
        """
        wanted = self.requirement(*extras) or f"{self.path}{_listed(extras)}"
        return f"pip install {'--editable ' if self.editable else ''}{shlex.quote(wanted)}"


def _listed(extras: tuple[str, ...]) -> str:
    return f"[{','.join(extras)}]" if extras else ""
