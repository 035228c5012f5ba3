"""What a host is doing now, for a person who waits: the same words in a notebook and on a terminal."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Running", "describe_running"]


@dataclass(frozen=True)
class Running:
    """What a host is doing in the step that runs now.

    Args:
        host: Its name.
        state: `running` if a command runs, else what the host does instead, such as `waiting`.
        purpose: What the command is for; empty if it does not say.
        command: The command.
        seconds: Since when it runs.
        last_line: The last line of its output so far; empty if there is none, or it is not known.
    """

    host: str
    state: str
    purpose: str = ""
    command: str = ""
    seconds: float = 0.0
    last_line: str = ""


def describe_running(running: Running) -> str:
    """Return what a host is doing, in a line: the purpose first, which a narrow terminal still shows.

    >>> describe_running(Running("host-a", "running", "pull the image", "docker pull redis", 12.3, "Waiting"))
    'host-a, 12 s: pull the image: docker pull redis | Waiting'
    >>> describe_running(Running("host-b", "waiting"))
    'host-b: waiting'
    """
    if not running.command:
        return f"{running.host}: {running.state}"
    command = " ".join(running.command.split())
    what = f"{running.purpose}: {command}" if running.purpose else command
    last = f" | {running.last_line}" if running.last_line else ""
    return f"{running.host}, {running.seconds:.0f} s: {what}{last}"
