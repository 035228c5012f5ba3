"""Directories on a host: owner and permissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileState
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import file_commands
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.facts.base import Fact, Facts

__all__ = ["Present", "present"]


@dataclass(frozen=True)
class Present(Operation):
    """A directory exists, with this owner and these permissions; its parent exists.

    Args:
        path: Absolute path on the host.
        owner: Name of the owner.
        group: Name of the group.
        mode: Permissions, octal.

    Raises:
        ParameterError: The path is not absolute, or the mode is not octal.
    """

    path: str
    owner: str = "root"
    group: str = "root"
    mode: str = "0755"

    def __post_init__(self) -> None:
        """Refuse what is not a path or not a mode."""
        file_commands.check_path(self.path)
        object.__setattr__(self, "mode", file_commands.octal(self.mode, self.path))

    def facts(self) -> Sequence[Fact[Any]]:
        """Return what is at the path."""
        return (FileState(self.path),)

    def plan(self, facts: Facts) -> Plan:
        """Make the directory, or set owner and permissions."""
        before = facts[FileState(self.path)]
        wanted = (file_commands.ownership(self.owner, self.group), self.mode)
        if before.exists and before.kind != "directory":
            raise PlanRefused(f"{self.path} is a {before.kind}", hint="choose another path, or move it away")
        if before.exists and file_commands.owner_and_mode(before) == wanted:
            return Plan()
        if not before.in_directory:
            raise PlanRefused(
                f"the directory of {self.path} does not exist", hint="make that directory in an earlier step"
            )
        install = (
            "install",
            "-d",
            "-o",
            self.owner,
            "-g",
            self.group,
            "-m",
            _all_bits(self.mode),
            "--",
            self.path,
        )
        was = " ".join(("directory", *file_commands.owner_and_mode(before))) if before.exists else None
        former = file_commands.owner_and_mode(before)
        rollback: tuple[Command, ...] = (
            Command(("rmdir", "--", self.path), sudo=True, purpose=f"remove {self.path}"),
        )
        if before.exists:
            rollback = (
                Command(("chown", "--", former[0], self.path), sudo=True, purpose="restore the owner"),
                Command(
                    ("chmod", "--", _all_bits(former[1]), self.path), sudo=True, purpose="restore permissions"
                ),
            )
        return Plan(
            commands=(Command(install, sudo=True, purpose=f"directory {self.path}"),),
            changes=(Change(self.path, was, " ".join(("directory", *wanted))),),
            rollback=rollback,
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that it is a directory, its owner and its permissions."""
        state = facts[FileState(self.path)]
        owner, mode = file_commands.owner_and_mode(state)
        wanted = file_commands.ownership(self.owner, self.group)
        return [
            Check.equal(f"{self.path}", "directory", state.kind or "absent", "directory.kind"),
            Check.equal(f"owner of {self.path}", wanted, owner, "directory.owner"),
            Check.equal(f"permissions of {self.path}", self.mode, mode, "directory.permissions"),
        ]


def _all_bits(mode: str) -> str:
    """Return four octal digits as five: with fewer, coreutils keeps the setuid and setgid bits of a directory."""
    return f"0{mode}"


present = Present
