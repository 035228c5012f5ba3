"""pyinfra's commands as commands of a plan: quoted, under sudo or another user, and uploads over standard input."""

from __future__ import annotations

import base64
import hashlib
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from pyinfra.api import StringCommand
from pyinfra.api.util import get_file_io

from runbook_lib.errors import PlanRefused
from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Upload", "shell_command", "shell_words"]

_TIMEOUT = 600.0
# The file is replaced by a copy on the host: one that arrived only in part never takes its place.
_UPLOAD = """\
temp=$(umask 077; mktemp) || exit
(umask 077; {read} > "$temp")
if [ "$(wc -c < "$temp")" -eq "$2" ]; then (umask "$3"; cat "$temp" > "$1"); status=$?
else echo "$1: the content did not arrive completely" >&2; status=1; fi
rm -f "$temp"; exit $status"""


def shell_command(
    command: StringCommand | str,
    arguments: Mapping[str, Any],
    *,
    purpose: str,
    safe_to_interrupt: bool = True,
) -> Command:
    """Return a command for a host's shell.

    Args:
        command: pyinfra's command.
        arguments: The global arguments, complete.
        purpose: The command's purpose.
        safe_to_interrupt: As for `Command`.

    Raises:
        PlanRefused: The command line would show a value that pyinfra hides.
    """
    text = command
    if isinstance(command, StringCommand):
        text = command.get_raw_value()
        if text != command.get_masked_value():
            raise PlanRefused(
                f"`{command.get_masked_value()}` would show a hidden value to every process on the host",
                hint="set passwords with a command that reads them from standard input, or from a file of mode 0600",
            )
    return Command(
        _as_user(
            (*shell_words(arguments["_shell_executable"]), "-c", _prepared(str(text), arguments)), arguments
        ),
        stdin=arguments["_stdin"],
        sudo=bool(arguments["_sudo"]),
        accept=arguments["_success_exit_codes"],
        timeout=float(arguments["_timeout"] or _TIMEOUT),
        purpose=purpose,
        safe_to_interrupt=safe_to_interrupt,
    )


@dataclass(frozen=True)
class Upload:
    """A local file, or text or bytes in memory, that replaces the content of a file on the host.

    Args:
        path: The file on the host.
        content: The whole content.
    """

    path: str
    content: bytes

    @classmethod
    def read(cls, source: str | IO[Any], path: str) -> Upload:
        """Read the content.

        Args:
            source: A local file's name, or an open file.
            path: The file on the host.

        Raises:
            OSError: The local file cannot be read.
        """
        with get_file_io(source, "rb") as opened:
            content = opened.read()
        return cls(path, content.encode() if isinstance(content, str) else bytes(content))

    @property
    def summary(self) -> str:
        """What records show in place of the content."""
        return f"{len(self.content)} bytes, sha256 {hashlib.sha256(self.content).hexdigest()}"

    def command(self, arguments: Mapping[str, Any], *, purpose: str, private: bool) -> Command:
        """Return the command that writes the file.

        Args:
            arguments: The global arguments, complete.
            purpose: The command's purpose.
            private: A new file is readable by its owner only, until a later command changes its mode.
        """
        try:
            given, read = self.content.decode(), "cat"
        except UnicodeDecodeError:
            given, read = base64.encodebytes(self.content).decode(), "base64 -d"
        script = _prepared(_UPLOAD.format(read=read), arguments)
        argv = ("sh", "-c", script, "sh", self.path, str(len(self.content)), "077" if private else "022")
        return Command(
            _as_user(argv, arguments),
            stdin=given,
            stdin_summary=self.summary,
            sudo=bool(arguments["_sudo"]),
            timeout=float(arguments["_timeout"] or _TIMEOUT),
            purpose=purpose,
        )


def shell_words(executable: str | None) -> tuple[str, ...]:
    """Return the words of the shell that commands are given to.

    Args:
        executable: The global argument `_shell_executable`.

    Raises:
        ValueError: It is not a command line.
    """
    return tuple(shlex.split(executable or "sh"))


def _prepared(text: str, arguments: Mapping[str, Any]) -> str:
    """Return a text for the shell with its variables set, in its directory."""
    if arguments["_env"]:
        variables = " ".join(shlex.quote(f"{name}={value}") for name, value in arguments["_env"].items())
        text = f"export {variables} && {text}"
    return f"cd {shlex.quote(arguments['_chdir'])} && {text}" if arguments["_chdir"] else text


def _as_user(argv: tuple[str, ...], arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a command as it is run by the user that the arguments name; root's part is `Command.sudo`."""
    if arguments["_su_user"]:
        options = (
            *(("-l",) if arguments["_use_su_login"] else ()),
            *(("-m",) if arguments["_preserve_su_env"] else ()),
            *(("-s", str(PurePosixPath("/bin", arguments["_su_shell"]))) if arguments["_su_shell"] else ()),
        )
        argv = ("su", *options, arguments["_su_user"], "-c", shlex.join(argv))
    if arguments["_sudo"] and (arguments["_sudo_user"] or arguments["_use_sudo_login"]):
        login = ("-i",) if arguments["_use_sudo_login"] else ()
        argv = ("sudo", "-H", "-n", *login, "-u", arguments["_sudo_user"] or "root", "--", *argv)
    return argv
