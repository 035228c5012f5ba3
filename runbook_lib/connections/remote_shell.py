"""How a command reaches a POSIX shell on the host, and how its output is distinguished from everything else.

Whatever the account's login shell is (tcsh, fish, ...), it only has to start `sh`. That shell sets a fixed locale,
prints `begin:` and a random nonce on both output streams and then executes the command. What precedes that mark is
not the command's output: a greeting, or a warning of the login shell. Without the mark, the command did not run. No
argument contains it: a forced command that prints what it was asked for, in place of running it or before it, does
not print the mark.

Under sudo, a second shell prints `ran:` and the nonce, as root, before it executes the command. sudo itself cannot
print that text, because no argument contains it. So whether sudo ran a command is known whatever sudo prints, in any
language; and a password prompt that comes later is the command's, and is not answered.
"""

from __future__ import annotations

import secrets
import shlex
import time
from typing import TYPE_CHECKING

from runbook_lib.shell_words import escaped_for_printf, join_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.connections.output_budget import OutputLimit

__all__ = ["NONCE", "RemoteOutput", "bootstrap", "new_nonce", "sudo_text"]

NONCE = '"$nonce"'
"""The nonce in a text for the host's shell."""

_LOCALE = "LC_ALL=C"
_BOOTSTRAP = (
    f'{_LOCALE}; export LC_ALL; nonce=$1; echo "begin:$nonce"; echo "begin:$nonce" >&2; '
    'eval "$(printf "exec $0")"'
)
_PROOF = 'echo "ran:$1" >&2; shift; exec "$@"'  # the nonce is not $0: this shell puts that before what it complains of
_MAX_PREAMBLE = 65536  # bytes kept of what precedes the nonce
_SLOW_SUDO = 10.0  # seconds until sudo has started a command that are worth a word in the record


def new_nonce() -> str:
    """Return a random nonce for one command."""
    return secrets.token_hex(16)


def bootstrap(text: str, nonce: str) -> str:
    """Return a line for any login shell that makes a POSIX shell execute `text`.

    Characters with a special meaning to some login shell, even inside single quotes, are octal escapes of printf(1).
    """
    return f"sh -c '{_BOOTSTRAP}' '{escaped_for_printf(text)}' {nonce}"


def sudo_text(argv: tuple[str, ...], *, password: bool) -> str:
    """Return a command under sudo, as text for the host's shell, in which `$nonce` is set.

    Args:
        argv: Program and arguments.
        password: Whether there is a password to give. -k: sudo ignores cached credentials, so whether it asks for the
            password does not depend on earlier commands.
    """
    options = f"-S -k -p {NONCE}:" if password else "-n"
    return f"sudo {options} -- sh -c {shlex.quote(_PROOF)} sh {NONCE} {join_words(argv)}"


class RemoteOutput:
    """The output of one command, both streams, and what the command is to be given on standard input.

    Args:
        stdout: Gets the command's standard output.
        stderr: Gets the command's standard error, and before it what sudo printed.
        stdin: The command's standard input.
        sudo: The command is run by sudo.
        password: The password to give if sudo asks; None: sudo is run with `-n` and does not ask.
        framed: The command is started by `bootstrap`; otherwise the streams hold nothing but its output.
        limit: How much may arrive; None: no limit.
    """

    def __init__(  # noqa: PLR0913 - all that distinguishes commands
        self,
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
        *,
        stdin: bytes = b"",
        sudo: bool = False,
        password: str | None = None,
        framed: bool = True,
        limit: OutputLimit | None = None,
        nonce: str = "",
    ) -> None:
        self.nonce = nonce or new_nonce()
        self.sudo = sudo
        self._stdin = stdin
        self._password = password if sudo else None
        self._prompt = f"{self.nonce}:".encode()
        self._stderr = stderr
        begin = f"begin:{self.nonce}\n".encode()
        self._out = _AfterMark(begin, stdout)
        self._proof = _AfterMark(f"ran:{self.nonce}\n".encode(), self._add_proven)
        self._err = _AfterMark(begin, self._proof.add if sudo else stderr)
        self._out.found = self._err.found = not framed
        self._answered = self._shown = False
        self._limit = limit
        self._sudo_started: float | None = None
        self._sudo_ran: float | None = None
        self.password_refused = False
        self.to_send = memoryview(b"" if self._password else stdin)
        self.input_complete = not self._password

    def add_stdout(self, piece: bytes) -> None:
        """Add the next bytes of the channel's standard output."""
        self._out.add(self._limit.accept("stdout", piece) if self._limit else piece)

    def add_stderr(self, piece: bytes) -> None:
        """Add the next bytes of the channel's standard error; answer sudo's prompt."""
        self._err.add(self._limit.accept("stderr", piece) if self._limit else piece)
        if not self.sudo:
            return
        self._time_sudo()
        if self._proof.found:
            if not self.input_complete:
                self.to_send, self.input_complete = memoryview(self._stdin), True
            return
        prompts = self._proof.before.count(self._prompt)
        if prompts and self._password and not self._answered:
            self.to_send, self._answered = memoryview(f"{self._password}\n".encode()), True
        elif prompts > 1 and not self.password_refused:
            # With its input closed, sudo gives up.
            self.password_refused = self.input_complete = True

    def sent(self, size: int) -> None:
        """Note that the first `size` bytes of `to_send` were sent."""
        self.to_send = self.to_send[size:]

    def _time_sudo(self) -> None:
        """Note when the shell started sudo, and when sudo started the command."""
        now = time.monotonic()
        if self._err.found and self._sudo_started is None:
            self._sudo_started = now
        if self._proof.found and self._sudo_ran is None:
            self._sudo_ran = now

    @property
    def cut(self) -> str:
        """Why no more output is accepted; empty while the output is within its limit."""
        return self._limit.cut if self._limit else ""

    @property
    def reached_shell(self) -> bool:
        """Whether the host's POSIX shell has answered."""
        return self._out.found

    @property
    def ran(self) -> bool:
        """Whether the command was executed, as far as its output says so."""
        return self._proof.found if self.sudo else self._out.found

    @property
    def waits_for_sudo(self) -> bool:
        """Whether sudo may still ask for the password."""
        return self._password is not None and not self._proof.found

    @property
    def preamble(self) -> str:
        """What the login shell printed before, or instead of, the POSIX shell's answer."""
        text = b"" if self._out.found else self._out.before
        return (text + (b"" if self._err.found else self._err.before)).decode(errors="replace").strip()

    def refusal(self, exit_code: int | None, user: str) -> str:
        """Return why sudo did not run a command that has ended; empty if it ran, or if no exit code is known."""
        if not self.sudo or self._proof.found or exit_code is None or not self.reached_shell:
            return ""
        if self.password_refused:
            return f"sudo refused the password of {user}"
        if exit_code == 127:  # noqa: PLR2004 - the shell found no sudo; sudo itself exits with 1
            return "there is no sudo on the host"
        lines = self._sudo_messages().decode(errors="replace").strip().splitlines()
        return f"sudo refused: {lines[-1] if lines else f'exit code {exit_code}'}"

    def slow_sudo(self) -> str:
        """Return that sudo was slow, and how slow, or that it has not started the command yet; otherwise empty."""
        if not self.sudo or self._sudo_started is None:
            return ""
        took = (self._sudo_ran or time.monotonic()) - self._sudo_started
        if self._sudo_ran is None and took > 1:
            return f"sudo was slow: it had not started the command after {took:.0f} s"
        return f"sudo was slow: it took {took:.0f} s" if took > _SLOW_SUDO else ""

    def finish(self) -> None:
        """Pass on what sudo printed if it did not run the command; call once the wait for the command is over."""
        if self.sudo and not self._shown:
            self._add_proven(b"")

    def _add_proven(self, piece: bytes) -> None:
        if not self._shown:
            self._shown = True
            self._stderr(self._sudo_messages())
        self._stderr(piece)

    def _sudo_messages(self) -> bytes:
        return self._proof.before.replace(self._prompt, b"")


class _AfterMark:
    """One stream: passes on what follows a mark, and keeps what precedes it."""

    def __init__(self, mark: bytes, sink: Callable[[bytes], None]) -> None:
        self._mark = mark
        self._sink = sink
        self.before = b""
        self.found = False

    def add(self, piece: bytes) -> None:
        if self.found:
            self._sink(piece)
            return
        self.before += piece
        before, mark, after = self.before.partition(self._mark)
        if mark:
            self.found, self.before = True, before
            self._sink(after)
        else:
            self.before = self.before[-_MAX_PREAMBLE:]
