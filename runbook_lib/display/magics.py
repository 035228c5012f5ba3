"""The cell magics `%%look` and `%%on`: the rest of the cell is a shell script for hosts of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.display.ipython_shell import shell
from runbook_lib.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CONFIRMED", "MAGICS", "hosts_of", "magic_of", "register"]

MAGICS = {"%%look": "look", "%%on": "shell"}
"""The first word of a cell that is a shell script for hosts -> the method of a run that carries it out."""
CONFIRMED = "--yes"
"""Word after `%%on`: a script that destroys something is sent without a question."""


def hosts_of(line: str) -> str:
    """Return the pattern of hosts in a magic's line.

    Args:
        line: What follows the magic's name.
    """
    return " ".join(word for word in line.split() if word != CONFIRMED)


def magic_of(source: str) -> tuple[str, str] | None:
    """Return the method that a cell's magic stands for, and its pattern of hosts; None if the cell has neither magic.

    Args:
        source: The cell's source.
    """
    name, *_ = source.partition("\n")[0].split() or [""]
    if name not in MAGICS:
        return None
    return MAGICS[name], hosts_of(source.partition("\n")[0].partition(name)[2])


def register(
    change: Callable[..., object], look: Callable[[str, str], object], names: Callable[[], Sequence[str]]
) -> None:
    """Register both magics for this kernel, with their help text and the completion of host names.

    Args:
        change: Carries out `%%on`: hosts, script, and whether it is confirmed.
        look: Carries out `%%look`: hosts and script.
        names: Returns what hosts can be named by.
    """
    ipython = shell()
    if ipython is None:
        return
    from IPython.core.magic import register_cell_magic  # noqa: PLC0415 - loaded already, if anywhere

    def on_hosts(line: str, cell: str) -> None:
        """Change hosts by a shell script: the cell below the first line.

        %%on host-a
        sudo systemctl restart nginx

        The script is a step of the run: recorded with its output, only shown in mode `plan`, skipped in mode
        `validate`. It stops at the first command that fails, and an exit code other than 0 fails the step. A script
        that destroys something or cuts a host off is sent only after a question; `%%on --yes host-a` does not ask.

        HOSTS are names of hosts or groups, separated by commas; Tab completes them. To look at a host use %%look.
        """
        change(_required(line, "%%on"), cell, confirmed=CONFIRMED in line.split())

    def look_at_hosts(line: str, cell: str) -> None:
        """Look at hosts by a shell script: the cell below the first line.

        %%look host-a
        ip -br address; systemctl status docker

        The output is shown as it is, from every host and in every mode. No exit code is a failure, and the run goes
        on. It is recorded, as shell by hand. A script that destroys something is sent only after a question.

        HOSTS are names of hosts or groups, separated by commas; Tab completes them. To change a host use %%on.
        """
        look(_required(line, "%%look"), cell)

    on_hosts.__name__, look_at_hosts.__name__ = "on", "look"  # IPython's name of a magic
    register_cell_magic(on_hosts)
    register_cell_magic(look_at_hosts)

    def complete(_shell: Any, event: Any) -> list[str]:  # noqa: ANN401 - IPython's
        typed = str(event.symbol).rpartition(",")
        return [f"{typed[0]}{typed[1]}{name}" for name in names() if name.startswith(typed[2])]

    for magic in MAGICS:
        ipython.strdispatchers["complete_command"].strs.pop(magic, None)  # of an earlier run of this kernel
        ipython.set_hook("complete_command", complete, str_key=magic)


def _required(line: str, magic: str) -> str:
    """Return the hosts that a magic's line names.

    Raises:
        ParameterError: It names none.
    """
    hosts = hosts_of(line)
    if not hosts:
        raise ParameterError("no host is named", where=magic, hint=f"as in `{magic} host-a`")
    return hosts
