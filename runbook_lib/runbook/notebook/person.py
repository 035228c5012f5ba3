"""The person at a notebook or a terminal: whether there is one who can answer, and what the answer is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runbook_lib.display import ipython_shell
from runbook_lib.errors import ParameterError
from runbook_lib.operations.destructive import destructive_part
from runbook_lib.printing.visible_text import for_log
from runbook_lib.runbook.notebook.named_notebook import executes_a_file

if TYPE_CHECKING:
    from runbook_lib.runbook.notebook.parent_process import ParentProcess

__all__ = ["YES", "ask", "can_answer", "confirm_script", "is_watching"]

YES, _NO = frozenset({"y", "yes"}), frozenset({"n", "no"})
_MOST_QUESTIONS = 3  # answers that are neither yes nor no


def can_answer(parent: ParentProcess) -> bool:
    """Return whether a person can answer now: not under `runbook run`, papermill, pytest, or without a terminal."""
    kernel = getattr(ipython_shell.shell(), "kernel", None)
    if kernel is not None:
        answers = bool(getattr(kernel, "_allow_stdin", False))  # of the request that is executed now
    else:
        answers = sys.stdin is not None and sys.stdin.isatty()
    return answers and not parent.known


def is_watching(parent: ParentProcess) -> bool:
    """Return whether a person may have seen what the cell before has done: not where a program sends one after another.

    papermill, nbclient, nbconvert and nbval let no cell ask anybody; JupyterLab, VS Code and consoles do. A script
    counts as its author's.
    """
    kernel = getattr(ipython_shell.shell(), "kernel", None)
    return not parent.known and not executes_a_file() and bool(getattr(kernel, "_allow_stdin", True))


def ask(question: str) -> str:
    """Return the answer to a question of yes or no: one of `YES`, or anything else for no.

    Args:
        question: Without what can be answered.

    Raises:
        KeyboardInterrupt: Ctrl-C instead of an answer.
    """
    answer = ""
    for _ in range(_MOST_QUESTIONS):
        try:
            answer = input(for_log(f"{question} [y/n] ")).strip().lower()
        except EOFError:
            break
        if answer in YES | _NO:
            break
    return answer


def confirm_script(script: str, where: str, parent: ParentProcess, hint: str) -> None:
    """Ask a person before a script is sent that destroys something or cuts a host off; refuse it where nobody answers.

    Args:
        script: The script.
        where: What it is sent by, for messages.
        parent: The process that started this kernel.
        hint: What to do where nobody can answer.

    Raises:
        ParameterError: It was not confirmed, or nobody can; nothing was sent.
        KeyboardInterrupt: Ctrl-C instead of an answer.
    """
    part = destructive_part(script)
    if not part:
        return
    if not can_answer(parent):
        raise ParameterError(
            f"`{part}` destroys something or cuts the host off, and nobody can be asked here",
            where=where,
            hint=hint,
        )
    if ask(f"{where}: `{part}` destroys something or cuts the host off. Send it?") not in YES:
        raise ParameterError(f"`{part}` was not confirmed; nothing was sent", where=where)
