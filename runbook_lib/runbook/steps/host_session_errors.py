"""The errors of a session on a host: a command that did not run or finish, an exit code, facts that are too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_lib.errors import CommandFailed, FactError, RunbookError, UnreachableError
from runbook_lib.masking import CUT, excerpt

if TYPE_CHECKING:
    from runbook_lib.model.commands import Command, DockerQuery, NetworkQuery, Output

__all__ = [
    "command_failed",
    "connection_lost",
    "describe",
    "how_it_ended",
    "quoted_command",
    "refused_by_sudo",
    "too_large_to_parse",
    "too_many_facts",
]


def quoted_command(text: str, most: int = 200) -> str:
    """Return a command as a message quotes it: the beginning of its first line, so that the reason is not lost.

    Args:
        text: The command.
        most: Characters to keep.
    """
    first, more, _ = text.partition("\n")
    shown = excerpt(first, most)
    # Lines are not joined: a mask would not find a secret value of several lines any more.
    return f"`{shown if shown.endswith(CUT) or not more else shown + CUT}`"


def how_it_ended(request: Command | NetworkQuery, output: Output) -> str:
    """Return a command and how it ended: its exit code and the last line that it printed, or why there is none."""
    text = quoted_command(request.text)
    if output.exit_code is None:
        return f"{text} did not finish: {output.problem}"
    lines = (output.stderr.strip() or output.stdout.strip()).splitlines()
    return f"{text} exited with {output.exit_code}" + (f": {excerpt(lines[-1], 300)}" if lines else "")


def describe(problem: Exception) -> str:
    """Return what went wrong in a step, for its message; an error that is not this library's is an internal one."""
    if isinstance(problem, RunbookError):
        return problem.message
    return f"internal error in step: {type(problem).__name__}: {problem}"


def command_failed(command: Command, output: Output, host: str) -> CommandFailed:
    """Return the error of a command whose exit code is not accepted, or that has none."""
    return CommandFailed(how_it_ended(command, output), where=host, hint=_hint(output))


def connection_lost(request: Command | NetworkQuery, output: Output, host: str) -> UnreachableError:
    """Return the error of a command whose connection was lost before its exit code arrived."""
    return UnreachableError(
        f"{quoted_command(request.text)}: {output.problem}",
        where=host,
        hint="check that the host is up, then run again: steps already in the desired state report ok",
    )


def refused_by_sudo(
    request: Command | DockerQuery | NetworkQuery, output: Output, host: str
) -> CommandFailed:
    """Return the error of a command that sudo did not run."""
    return CommandFailed(
        f"{excerpt(output.refused, 300)}; {quoted_command(request.text)} was not run",
        where=host,
        hint=f"the user needs sudo on {host}: passwordless, or with sudo_password in the inventory",
    )


def too_large_to_parse(label: str, host: str) -> FactError:
    """Return the error of a fact whose output was cut."""
    return FactError(
        f"{label}: the output is too large to be parsed",
        where=host,
        hint="the complete output is in output/ in the run's directory",
    )


def too_many_facts(asks: str, wanted: str, host: str) -> FactError:
    """Return the error of an operation that does not come to an end with asking for facts."""
    return FactError(f"{asks}, next for {wanted}", where=host, hint="divide the step into smaller ones")


def _hint(output: Output) -> str | None:
    if output.problem.startswith("cut: "):
        return "have the command print less, or raise max_stream_bytes or max_run_bytes"
    return "find out on the host what the command waits for, then run again" if output.still_running else None
