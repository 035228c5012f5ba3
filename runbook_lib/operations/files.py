"""Files on a host: contents, owner and permissions; or that they are absent."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runbook_lib.errors import PlanRefused
from runbook_lib.facts.file import FileState
from runbook_lib.file_contents import read_contents
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations import file_commands
from runbook_lib.operations.base import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.facts.file import FileInfo
    from runbook_lib.file_contents import LocalPath

__all__ = ["Absent", "Content", "absent", "content", "write"]

# A connection that breaks ends the contents early, and the shell would continue with what has arrived.
_WRITE = """set -e; umask 022; new=$1.runbook-new; trap 'rm -f -- "$new"' EXIT; rm -f -- "$new"
set -C; cat > "$new"
printf '%s  %s\\n' "$3" "$new" | sha256sum --check --status ||
  { echo "the contents of $1 arrived incomplete" >&2; exit 1; }
chmod -- "$2" "$new"; mv -fT -- "$new" "$1\""""


def write(path: str, text: str, *, mode: str = "0644", purpose: str = "") -> Command:
    """Return the command that atomically replaces a file as root: readers see the old or the new one.

    Args:
        path: Absolute path; its directory exists.
        text: The whole contents.
        mode: Permissions, octal.
        purpose: The command's purpose; default: `write PATH`.
    """
    return Command(
        ("sh", "-c", _WRITE, "sh", path, mode, hashlib.sha256(text.encode()).hexdigest()),
        stdin=text,
        sudo=True,
        purpose=purpose or f"write {path}",
    )


@dataclass(frozen=True)
class Content(Operation):
    """A regular file has these contents, this owner and these permissions. Make one with `content`.

    A former file is kept on the host, in `file_commands.KEPT`, where a rollback finds it.

    Args:
        path: Absolute path on the host; its directory exists.
        contents: The contents; in base64 if `binary`.
        owner: Name of the owner.
        group: Name of the group.
        mode: Permissions, octal; empty: 0644, and 0600 for secret contents.
        check: Program and arguments that judge the new file before it replaces the old one, as `visudo -cf`; the
            new file's path is appended.
        binary: Whether the contents are given in base64, and recorded by hash and size.
        secret: Whether the contents are recorded by hash and size only, before and after.
        references: The secret references whose values are in the contents.

    Raises:
        ParameterError: The path is not absolute, or the mode is not octal.
    """

    path: str
    contents: str = field(repr=False)
    owner: str = "root"
    group: str = "root"
    mode: str = ""
    check: tuple[str, ...] = ()
    binary: bool = field(default=False, repr=False)
    secret: bool = False
    references: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not a path or not a mode."""
        file_commands.check_path(self.path)
        if self.mode:
            object.__setattr__(self, "mode", file_commands.octal(self.mode, self.path))

    @property
    def secret_references(self) -> tuple[str, ...]:
        """The references whose values are in the contents."""
        return self.references

    def concealing(self, is_secret: Callable[[str], bool]) -> Self:
        """Return the operation with its contents recorded by hash only, if a secret of the run is in them."""
        if self.secret or not is_secret(self.contents):
            return self
        return dataclasses.replace(self, secret=True)

    def describe(self) -> str:
        """Return the arguments, with hash and size in place of the contents."""
        described = self if self.mode else dataclasses.replace(self, mode=self._mode)
        return (
            super(Content, described)
            .describe()
            .replace("files.Content(", f"files.Content({self._summary}, ", 1)
        )

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the file as it is; its text only if it may be recorded."""
        return (self._state,)

    def plan(self, facts: Facts) -> Plan:
        """Replace the file, or set owner and permissions."""
        before = facts[self._state]
        file_commands.refuse_what_is_no_file(self.path, before)
        owner = file_commands.ownership(self.owner, self.group)
        commands = []
        if before.sha256 != self._sha256:
            if before.exists:
                commands.append(file_commands.keep(self.path, before.sha256))
            commands.append(
                file_commands.replace(
                    self.path,
                    self.contents,
                    self._sha256,
                    owner=owner,
                    mode=self._mode,
                    absent=not before.exists,
                    encoding="base64" if self.binary else "text",
                    summary=self._summary if self.binary or self.secret else None,
                    check=self.check,
                )
            )
        elif file_commands.owner_and_mode(before) != (owner, self._mode):
            commands.append(Command(("chown", "--", owner, self.path), sudo=True, purpose="set the owner"))
            commands.append(
                Command(("chmod", "--", self._mode, self.path), sudo=True, purpose="set permissions")
            )
        if not commands:
            return Plan()
        return Plan(
            commands=tuple(commands),
            changes=tuple(self._changes(before)),
            rollback=(file_commands.restore(self.path, before, self._sha256),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check contents, owner and permissions."""
        state = facts[self._state]
        observed = _summary(state.size, state.sha256) if state.is_file else state.kind or "absent"
        owner = file_commands.ownership(self.owner, self.group)
        return [
            Check.equal(f"contents of {self.path}", self._summary, observed, "files.contents"),
            Check.equal(
                f"owner of {self.path}", owner, file_commands.owner_and_mode(state)[0], "files.owner"
            ),
            Check.equal(
                f"permissions of {self.path}",
                self._mode,
                file_commands.owner_and_mode(state)[1],
                "files.permissions",
            ),
        ]

    def _changes(self, before: FileInfo) -> list[Change]:
        changes = []
        if before.sha256 != self._sha256:
            by_hash = self.binary or self.secret or (before.exists and before.text is None)
            was = _summary(before.size, before.sha256) if by_hash else before.text
            changes.append(
                Change(self.path, was if before.exists else None, self._summary if by_hash else self.contents)
            )
        after = (file_commands.ownership(self.owner, self.group), self._mode)
        if before.exists and file_commands.owner_and_mode(before) != after:
            changes.append(
                Change(
                    f"{self.path}: owner and permissions",
                    " ".join(file_commands.owner_and_mode(before)),
                    " ".join(after),
                )
            )
        return changes

    @property
    def _state(self) -> FileState:
        return FileState(self.path, contents=not (self.binary or self.secret))

    @property
    def _mode(self) -> str:
        return self.mode or ("0600" if self.secret else "0644")

    @property
    def _data(self) -> bytes:
        return base64.b64decode(self.contents) if self.binary else self.contents.encode()

    @functools.cached_property
    def _sha256(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    @functools.cached_property
    def _summary(self) -> str:
        return _summary(len(self._data), self._sha256)


@dataclass(frozen=True)
class Absent(Operation):
    """There is no file at a path. A rollback restores it.

    Args:
        path: Absolute path on the host.

    Raises:
        ParameterError: The path is not absolute.
    """

    path: str

    def __post_init__(self) -> None:
        """Refuse what is not a path."""
        file_commands.check_path(self.path)

    def facts(self) -> Sequence[Fact[Any]]:
        """Return the file as it is, without its text: it may hold a secret."""
        return (FileState(self.path),)

    def plan(self, facts: Facts) -> Plan:
        """Keep the file's contents and remove it."""
        before = facts[FileState(self.path)]
        if not before.exists:
            return Plan()
        if not before.is_file:
            raise PlanRefused(
                f"{self.path} is a {before.kind}", hint="only regular files are removed and restored"
            )
        return Plan(
            commands=(file_commands.keep(self.path, before.sha256), file_commands.remove(self.path)),
            changes=(Change(self.path, _summary(before.size, before.sha256), None),),
            rollback=(file_commands.restore(self.path, before, ""),),
        )

    def verify(self, facts: Facts) -> list[Check]:
        """Check that nothing is there."""
        observed = facts[FileState(self.path)].kind or "absent"
        return [Check.equal(f"{self.path}", "absent", observed, "files.absent")]


def content(  # noqa: PLR0913 - what a file can be made from, and all that it has
    path: str,
    *,
    text: str | None = None,
    source: LocalPath | None = None,
    template: LocalPath | None = None,
    variables: Mapping[str, Any] | None = None,
    secret: str | None = None,
    owner: str = "root",
    group: str = "root",
    mode: str = "",
    check: Sequence[str] = (),
) -> Content:
    """Return the operation that gives a file its contents; exactly one of text, source, template and secret.

    Args:
        path: Absolute path on the host.
        text: The contents.
        source: A file of this machine, relative to the notebook's directory or one above it.
        template: A Jinja template of this machine; every name that it uses must be defined.
        variables: The template's variables. A secret reference as a value stands for the secret.
        secret: A secret reference, whose value are the contents.
        owner: Name of the owner on the host.
        group: Name of the group.
        mode: Permissions, octal; default 0644, and 0600 for secret contents.
        check: Program and arguments that judge the new file first; its path is appended.

    Raises:
        ParameterError: The arguments contradict each other, a file cannot be read, or a template is wrong.
        SecretError: A reference has no value.
    """
    contents = read_contents(text=text, source=source, template=template, variables=variables, secret=secret)
    plain = contents.text
    return Content(
        path,
        contents.base64 if plain is None else plain,
        owner=owner,
        group=group,
        mode=mode,
        check=tuple(check),
        binary=plain is None,
        secret=contents.secret,
        references=contents.references,
    )


def _summary(size: int, sha256: str) -> str:
    return f"{size} bytes, sha256 {sha256}"


absent = Absent
