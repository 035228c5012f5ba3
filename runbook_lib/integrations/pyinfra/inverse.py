"""How pyinfra's commands are undone, where their effect and the state before it are known for certain.

pyinfra itself knows no rollback. But an upload replaces the contents of one file, chmod and chown change what one file
has, and `systemd.service` starts what its facts say is stopped: these have an inverse. Nothing else has.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook_lib.facts.file import FileInfo, FileState
from runbook_lib.integrations.pyinfra.commands import Upload
from runbook_lib.operations import file_commands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.model.commands import Command
    from runbook_lib.model.plans import Plan

__all__ = ["acts_as_root", "changed_files", "with_rollback"]

_OPPOSITE = {"start": "stop", "stop": "start", "enable": "disable", "disable": "enable"}
_SYSTEMCTL = re.compile(r"(?P<before>systemctl (?:--[\w@.=-]+ )*)(?P<verb>[a-z]+)(?P<unit> [\w@.:\\-]+)")
_MOST_FILES = 20  # more would make a plan that nobody reads


def changed_files(operation: str, sent: Sequence[Upload | str]) -> list[FileState] | None:
    """Return the files that an operation changes, whose former state must be read to undo it; None if it cannot be.

    Args:
        operation: As `files.put`.
        sent: What it sends, in order: uploads, and commands for the host's shell.
    """
    if not operation.startswith("files."):
        return None
    paths = {item.path if isinstance(item, Upload) else _file_of(item) for item in sent}
    if not all(path.startswith("/") for path in paths) or len(paths) > _MOST_FILES:
        return None
    return [FileState(path) for path in sorted(paths)]


def _file_of(text: str) -> str:
    """Return the file whose owner or permissions a command sets; empty if it does anything else."""
    words = text.split()
    if len(words) != 3 or words[0] not in {"chmod", "chown", "chgrp"} or shlex.join(words) != text:  # noqa: PLR2004
        return ""
    return words[2]


def with_rollback(
    plan: Plan, operation: str, sent: Sequence[Upload | str], before: Mapping[FileState, FileInfo]
) -> Plan:
    """Return a plan with the commands that undo it; unchanged where there are none.

    Args:
        plan: The plan.
        operation: As `files.put`.
        sent: What it sends, in order.
        before: The former state of the files that it changes.
    """
    if operation == "systemd.service":
        return replace(plan, rollback=_opposites(plan.commands, sent))
    states = [before[fact] for fact in before]
    if not before or not all(state.in_directory and state.exists == state.is_file for state in states):
        return plan
    written = {
        item.path: hashlib.sha256(item.content).hexdigest() for item in sent if isinstance(item, Upload)
    }
    keep = [
        file_commands.keep(fact.path, state.sha256)
        for fact, state in before.items()
        if state.exists and fact.path in written
    ]
    restore = [
        file_commands.restore(fact.path, state, written.get(fact.path, state.sha256))
        for fact, state in before.items()
    ]
    return replace(plan, commands=(*keep, *plan.commands), rollback=tuple(restore))


def _opposites(commands: Sequence[Command], sent: Sequence[Upload | str]) -> tuple[Command, ...]:
    """Return the opposite of each command of systemctl, in reverse; none if one of them has no opposite."""
    found: list[Command] = []
    for command, text in zip(commands, sent, strict=True):
        match = _SYSTEMCTL.fullmatch(text) if isinstance(text, str) else None
        if not match or match["verb"] not in _OPPOSITE:
            return ()
        before, unit = match["before"], match["unit"]
        # A unit that does not exist was not started either: there is nothing to undo, and nothing to complain of. A
        # systemd that does not answer says nothing of the kind.
        state = f"state=$({before}show --property=LoadState{unit}) || exit"
        exists = f'{state}; [ "$state" != LoadState=not-found ] || exit 0'
        opposite = f"{exists}; {before}{_OPPOSITE[match['verb']]}{unit}"
        argv = (*command.argv[:-1], command.argv[-1].replace(str(text), opposite))
        found.insert(0, replace(command, argv=argv, purpose=f"undo: {text}"))
    return tuple(found)


def acts_as_root(arguments: Mapping[str, Any]) -> bool:
    """Return whether commands are run by root through sudo, as those that keep and restore files are."""
    return bool(arguments["_sudo"]) and not (arguments["_sudo_user"] or arguments["_su_user"])
