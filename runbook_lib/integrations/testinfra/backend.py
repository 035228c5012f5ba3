"""A backend of testinfra that hands its commands to a step of a runbook, which sends and records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from runbook_lib.model.commands import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.model.commands import Output

__all__ = ["RecordedBackend", "make_host"]


class RecordedBackend(BaseBackend):  # type: ignore[misc] # an optional package, not type-checked
    """Commands for one host of an inventory.

    Args:
        hostname: The host's name.
        ask: Sends a command and returns its output.
        timeout: Seconds for one command.
    """

    NAME = "runbook"

    def __init__(
        self,
        hostname: str,
        ask: Callable[[Command], Output],
        timeout: float,
        **options: Any,  # noqa: ANN401 - testinfra's own
    ) -> None:
        super().__init__(hostname, **options)
        self._encoding = "utf-8"
        self._ask = ask
        self._timeout = timeout

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:  # noqa: ANN401 - as above
        """Send a command for the host's shell, and return its output; under sudo as this library does it.

        Raises:
            OperationError: It could not be sent, or has no exit code.
        """
        __tracebackhide__ = True
        text = self.get_command(command, *args)
        if not isinstance(text, _SudoText):
            sent = Command(("/bin/sh", "-c", text), timeout=self._timeout)
        else:
            user = ("sudo", "-H", "-n", "-u", text.user, "--") if text.user else ()
            sent = Command((*user, "/bin/sh", "-c", text.inner), sudo=True, timeout=self._timeout)
        output = self._ask(sent)
        return self.result(int(output.exit_code or 0), str(text).encode(), output.stdout, output.stderr)

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Return a command under sudo, so that `run` recognizes it."""
        text = _SudoText(super().get_sudo_command(command, sudo_user))
        text.inner, text.user = str(command), sudo_user
        return text


class _SudoText(str):
    """A command under sudo, as text for a shell, with what it was made of."""

    __slots__ = ("inner", "user")
    inner: str
    user: str | None


def make_host(hostname: str, ask: Callable[[Command], Output], timeout: float) -> Host:
    """Return testinfra's host for predicates; it keeps nothing from other checks.

    Args:
        hostname: The host's name.
        ask: Sends a command and returns its output.
        timeout: Seconds for one command.
    """
    backend = RecordedBackend(hostname, ask, timeout)
    host = Host(backend)
    backend.set_host(host)
    return host
