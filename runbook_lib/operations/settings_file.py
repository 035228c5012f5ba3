"""A file of root with known contents, in a folder made if it is missing: a drop-in file of a service, a certificate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileState
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import file_commands

if TYPE_CHECKING:
    from runbook_lib.facts.base import Facts
    from runbook_lib.model.commands import Command

__all__ = ["SettingsFile"]


@dataclass(frozen=True)
class SettingsFile:
    """What operations do with such a file.

    Args:
        path: The file; its folder is made if it is missing.
        text: Its contents.
        folder: What the folder is for, for the reader.
    """

    path: str
    text: str = field(repr=False)
    folder: str

    @property
    def state(self) -> FileState:
        """The fact that reads the file."""
        return FileState(self.path, contents=True, secret_values=f"secret of {self.path}")

    @property
    def sha256(self) -> str:
        """Hash of the contents."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def plan(self, facts: Facts, *, then: tuple[Command, ...] = ()) -> Plan:
        """Return the plan that writes the file, and how it is undone; empty if it is as it should be.

        Args:
            facts: Have `state`.
            then: Commands after the file was written, and after it was restored.

        Raises:
            PlanRefused: Something else than a regular file is there.
        """
        before = facts[self.state]
        if before.sha256 == self.sha256:
            return Plan()
        if before.target or (before.exists and not before.is_file):
            raise PlanRefused(f"{self.path} is not a regular file", hint="move it away")
        new = not before.in_directory
        commands = [file_commands.make_directory(self.path, self.folder)] if new else []
        if before.exists:
            commands.append(file_commands.keep(self.path, before.sha256))
        commands.append(
            file_commands.replace(
                self.path, self.text, self.sha256, owner="root:root", mode="0644", absent=not before.exists
            )
        )
        return Plan(
            commands=(*commands, *then),
            changes=(Change(self.path, before.text, self.text),),
            rollback=(
                file_commands.restore(self.path, before, self.sha256),
                *((file_commands.unmake_directory(self.path),) if new else ()),
                *then,
            ),
        )

    def check(self, facts: Facts, *, missing: str, id: str) -> Check:  # noqa: A002 - as the field of `Check`
        """Return the check of the contents.

        Args:
            facts: Have `state`.
            missing: What is said to be there if nothing is.
            id: The check's id.
        """
        observed = facts[self.state].sha256 or missing
        return Check.equal(f"SHA-256 of {self.path}", self.sha256, observed, id)
