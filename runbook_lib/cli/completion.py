"""Completion in a shell: what `runbook` offers when its user presses Tab.

`eval "$(_RUNBOOK_COMPLETE=bash_source runbook)"` in `~/.bashrc` installs it; zsh and fish have `zsh_source` and
`fish_source`. What cannot be looked up is not offered: a shell has no place for a message.
"""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, get_completion_class

from runbook_lib.errors import RunbookError

__all__ = ["answer"]

_SEPARATOR = ":"  # of a fault and its host; bash takes it for the end of a word


class _Bash(BashComplete):
    """bash, whose words end at colons: those of a fault and its host are joined, and only the rest is offered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*arguments, **options)
        self._before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one to complete, and that one; see `click.shell_completion`."""
        words, incomplete = super().get_completion_args()
        joined: list[str] = []
        for word in [*words, incomplete]:
            if joined and (word == _SEPARATOR or joined[-1].endswith(_SEPARATOR)):
                joined[-1] += word
            else:
                joined.append(word)
        last = joined.pop()
        if last != incomplete or last == _SEPARATOR:
            self._before = last[: last.rindex(_SEPARATOR) + 1]
        return joined, last

    def format_completion(self, item: CompletionItem) -> str:
        """Return one answer for the script that bash has got; see `click.shell_completion`."""
        return super().format_completion(
            CompletionItem(item.value.removeprefix(self._before), type=item.type, help=item.help)
        )


def answer(cli: click.Command, request: str) -> int:
    """Print what a shell has asked for.

    Args:
        cli: All commands.
        request: `bash_source` for the script that a shell loads once; `bash_complete` for the words that complete the
            one in `COMP_WORDS`; and the same for `zsh` and `fish`.

    Returns:
        The exit code.
    """
    shell, _, wanted = request.partition("_")
    kind = _Bash if shell == "bash" else get_completion_class(shell)
    if kind is None:
        return 2
    completion = kind(cli, {}, "runbook", "_RUNBOOK_COMPLETE")
    if wanted == "source":
        click.echo(completion.source())
        return 0
    try:
        click.echo(completion.complete())
    except (RunbookError, ModuleNotFoundError, OSError):  # such as an extra that is not installed
        return 1
    return 0
