"""pyinfra's facts as facts of a runbook: the same command and the same parser, over this library's connection."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactTypeError

from runbook_lib.errors import FactError, FactUnavailable, PlanRefused
from runbook_lib.facts.base import Fact
from runbook_lib.integrations.pyinfra.commands import shell_command
from runbook_lib.masking import excerpt
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PyinfraFact", "UploadTarget", "make_fact"]

_MISSING_COMMAND = "##NO COMMAND##"
_NO_SUCH_USER = re.compile(
    r"^(sudo: unknown user|sudo: error initializing audit plugin|su: user .+ does not exist|su: unknown login)"
)
# A password's hash must not be in the evidence: what these facts print of one does not leave the host.
# In the field of an account's hash, `!` and `*` alone say that there is none; hashes of DES have no `$`.
_SHADOW = r"; } | sed 's/|[!*]*[^|!*][^|]*$/|[hash of the password]/'"
_MYSQL = (
    r"; } | sed 's/\*[0-9A-F]\{40\}/[hash of the password]/g; s/\$A\$[^\t]*/[hash of the password]/g"
    # Hashes of MySQL before 4.1, and MariaDB's of ed25519.
    r"; s/\(^\|[^A-Za-z0-9+/]\)[0-9a-f]\{16\}\([^A-Za-z0-9+/]\|$\)/\1[hash of the password]\2/g"
    r"; s/\(^\|[^A-Za-z0-9+/]\)[A-Za-z0-9+/]\{43\}\([^A-Za-z0-9+/]\|$\)/\1[hash of the password]\2/g'"
)
_REDACTED = {"server.Users": _SHADOW, "mysql.MysqlUsers": _MYSQL, "mysql.MysqlUserGrants": _MYSQL}
_TARGET = 'if [ -e "$1" ]; then wc -c < "$1" && sha256sum < "$1"; else echo absent; fi'


@dataclass(frozen=True)
class PyinfraFact(Fact[Any]):
    """A fact of pyinfra.

    Args:
        name: As `files.File`.
        arguments: The fact's arguments, as shown.
        command: What reads it.
        origin: pyinfra's own fact, which made the command and parses its output.
    """

    name: str
    arguments: str
    command: Command
    origin: FactBase[Any] = field(compare=False, repr=False)

    def request(self) -> Command:
        """Return the command; whether its exit code is accepted, `parse` decides."""
        return replace(self.command, accept=tuple(range(256)))

    def parse(self, output: Output) -> Any:  # noqa: ANN401 - whatever pyinfra's parser returns
        """Return what pyinfra's parser makes of the output; its default without output.

        Raises:
            FactUnavailable: The command failed.
            FactError: The output is not what the command prints.
        """
        if output.exit_code != 0:
            errors = output.stderr.strip()
            if _NO_SUCH_USER.match(errors):
                return self.origin.default()  # a user that an earlier step of the plan makes
            raise FactUnavailable(
                f"{self.label}: `{excerpt(self.command.argv[-1], 200)}` exited with {output.exit_code}"
                + (f": {excerpt(errors.splitlines()[-1], 300)}" if errors else ""),
                hint="pyinfra cannot decide what to do on this host without this fact",
            )
        lines = output.stdout.split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        if not lines or lines == [_MISSING_COMMAND]:
            return self.origin.default()
        try:
            return self.origin.process(lines)
        except Exception as problem:  # a parser of another project may raise anything
            raise FactError(
                f"{self.label}: unexpected output: {type(problem).__name__}: {problem}: "
                f"{excerpt(output.stdout, 80)!r}"
            ) from problem

    def absent(self) -> Any:  # noqa: ANN401 - as `parse`
        """Return pyinfra's default."""
        return self.origin.default()

    @property
    def label(self) -> str:
        """Name and arguments: `pyinfra.files.File(path=/etc/motd)`."""
        return f"pyinfra.{self.name}({self.arguments})"


@dataclass(frozen=True)
class UploadTarget(Fact[str | None]):
    """Size and hash of a file that is to be replaced, in the words of `Upload.summary`; None if there is no file.

    Args:
        path: The file.
        sudo: Whether root reads it.
    """

    path: str
    sudo: bool

    def request(self) -> Command:
        """Return the command."""
        return Command(("sh", "-c", _TARGET, "sh", self.path), sudo=self.sudo)

    def parse(self, output: Output) -> str | None:
        """Return size and hash."""
        if output.stdout == "absent\n":
            return None
        found = re.fullmatch(r"\s*(\d+)\n([0-9a-f]{64})\s.*\n", output.stdout)
        if not found:
            raise FactError(f"{self.path}: unexpected output: {excerpt(output.stdout, 80)!r}")
        return f"{found[1]} bytes, sha256 {found[2]}"

    @property
    def label(self) -> str:
        """Id and path."""
        return f"{self.id}({self.path})"


def make_fact(
    cls: type[FactBase[Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    arguments: Mapping[str, Any],
    host: Any,  # noqa: ANN401 - pyinfra is not typed
) -> PyinfraFact:
    """Return a fact of pyinfra with its arguments.

    Args:
        cls: pyinfra's class.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        arguments: The global arguments, complete.
        host: pyinfra's host, which the fact's own preconditions ask for facts.

    Raises:
        FactTypeError: The arguments do not fit.
        PlanRefused: A precondition of the fact is not met.
    """
    origin = cls()
    values: dict[str, Any] = {}
    if args or kwargs:
        try:
            values = inspect.getcallargs(origin.command, *args, **kwargs)
        except TypeError as problem:
            raise FactTypeError(f"{origin.name}: {problem}") from problem
        values.pop("self", None)
    reason = origin.check_preconditions(host.state, host)
    if reason:
        raise PlanRefused(f"the fact {origin.name} cannot be read: {reason}")
    command: Any = origin.command(**values) if callable(origin.command) else origin.command
    needed = origin.requires_command(**values)
    if origin.name in _REDACTED:
        command = StringCommand("{ ", command, _REDACTED[origin.name], _separator="")
    if needed:
        guard = f"if command -v {needed} >/dev/null 2>&1; then ("
        command = StringCommand(guard, command, f"); else echo '{_MISSING_COMMAND}'; fi")
    if origin.shell_executable:
        arguments = {**arguments, "_shell_executable": origin.shell_executable}
    shown = ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)
    made = shell_command(command, {**arguments, "_stdin": None}, purpose="")
    return PyinfraFact(origin.name, shown, made, origin)
