"""A test command, once per SSH connection: the login shell must leave exit codes and output as they are.

A forced command that logs, or `trap ... EXIT` in .bashrc, runs after each command: its exit code takes the place of the
command's, and what it prints follows the command's output. A mark before the output does not show that. The test
command's answer is known, so whatever such a login shell changes, or adds, shows in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import paramiko

from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.remote_shell import NONCE, RemoteOutput, bootstrap
from runbook_lib.connections.ssh_channel import collect, exit_status, why_lost
from runbook_lib.errors import UnreachableError
from runbook_lib.masking import excerpt
from runbook_lib.shell_words import join_words

if TYPE_CHECKING:
    from runbook_lib.connections.command_wait import CommandWait

__all__ = ["LoginProbe", "require_shell"]

_EXIT_CODE = 7
_SCRIPT = f'echo "end:$1"; echo "end:$1" >&2; exit {_EXIT_CODE}'
# With a name by which `termination` leaves it out: it is not the command that a run no longer waits for.
_TEXT = f"{join_words(('sh', '-c', _SCRIPT, 'runbook-probe'))} {NONCE}"
_MOST_BYTES = 65536  # of each stream
_SHOWN = 200  # bytes of a stream in a message


class LoginProbe:
    """The test command of one connection, sent and not yet waited for: it costs no round trip.

    Args:
        channel: An open session.
        user: Who is logged in.
        place: The host, for messages.
    """

    def __init__(self, channel: Any, user: str, place: str) -> None:  # noqa: ANN401 - paramiko's channel
        self._channel = channel
        self._user = user
        self._place = place
        self._out, self._err = bytearray(), bytearray()
        limit = OutputBudget(_MOST_BYTES, 2 * _MOST_BYTES).limit()
        self._remote = RemoteOutput(self._out.extend, self._err.extend, limit=limit)
        self._answered = False
        self._lost = ""
        self.refusal: UnreachableError | None = None
        """Why nothing that arrives over this connection can be believed; None as long as that is not known."""
        channel.transport.request_execution(channel, bootstrap(_TEXT, self._remote.nonce))

    def judge(self, wait: CommandWait) -> str:
        """Wait for the answer, once; return why there is none if the connection was lost, otherwise an empty text.

        Raises:
            UnreachableError: The login shell runs no commands, or it changes exit codes or output.
            SSHException: The host has not answered in time.
        """
        if not self._answered:
            self._read(wait)
        if self.refusal:
            raise self.refusal
        return self._lost

    def _read(self, wait: CommandWait) -> None:
        cut = self._remote.cut
        if not cut and collect(self._channel, self._remote, wait) and not (cut := self._remote.cut):
            raise paramiko.SSHException(wait.silence)
        self._answered = True
        code, lost = (-1, False) if cut else exit_status(self._channel)
        self._lost = why_lost(self._channel) if lost else ""
        self._channel.close()
        if not lost:
            self.refusal = self._refusal(code)

    def _refusal(self, code: int) -> UnreachableError | None:
        try:
            require_shell(self._remote, code, self._user, self._place)
        except UnreachableError as no_shell:
            return no_shell
        found = list(filter(None, (self._stream("output", self._out), self._stream("error", self._err))))
        if self._remote.cut:
            found.append(self._remote.cut)
        elif code != _EXIT_CODE:
            found.append(f"exit code {code if code >= 0 else 'missing'} in place of {_EXIT_CODE}")
        if not found:
            return None
        return UnreachableError(
            f"the login shell of {self._user}, or a forced command, changes the results of commands."
            f" A test command came back with {'; '.join(found)}",
            where=self._place,
            hint="check on the host: `trap` in .bashrc and the like, ForceCommand in sshd_config, and"
            " `command=` in authorized_keys, which must execute the command last, with `exec`",
        )

    def _stream(self, name: str, data: bytearray) -> str:
        """Return what is wrong with one stream: it must hold one line, with the nonce, and nothing else."""
        text, end = data.decode(errors="replace"), f"end:{self._remote.nonce}\n"
        if text == end:
            return ""
        other = text.replace(end, "", 1)
        return (
            f"other text on its standard {name}: {excerpt(other, _SHOWN)!r}"
            if other
            else f"no standard {name}"
        )


def require_shell(remote: RemoteOutput, exit_code: int, user: str, place: str) -> None:
    """Check that a POSIX shell on the host has answered, once a command has ended.

    Raises:
        UnreachableError: None has.
    """
    if remote.reached_shell or remote.cut:
        return
    printed = f"; it printed: {excerpt(remote.preamble, _SHOWN)}" if remote.preamble else ""
    raise UnreachableError(
        f"the login shell of {user} runs no commands (exit code {exit_code}{printed})",
        where=place,
        hint="give the user a login shell that can start `sh`, and check ForceCommand on the host"
        " and `command=` in authorized_keys",
    )
