"""Ctrl-C and SIGTERM while a command changes a lab: cleaning up is not cut short, and the message says what is left."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from runbook_lib.errors import Interrupted
from runbook_lib.lab.command_lines import name_option
from runbook_lib.lab.state import LabState
from runbook_lib.signal_handlers import STOP_SIGNALS, interrupting_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab

__all__ = ["interruptible_change"]


@contextlib.contextmanager
def interruptible_change(lab: Lab) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM interrupt the block, which changes a lab; later ones are ignored.

    Args:
        lab: The lab.

    Raises:
        Interrupted: The block was interrupted; message and hint say what is left, and what completes it.
    """
    try:
        with interrupting_once(*STOP_SIGNALS):
            yield
    except KeyboardInterrupt as stopped:
        raise _interrupted(lab) from stopped


def _interrupted(lab: Lab) -> Interrupted:
    option = name_option(lab.name)
    state = LabState.load(lab.paths.state)
    if state is None and not lab.paths.run.exists():
        return Interrupted("interrupted; nothing of the lab remains", where=f"lab {lab.name}")
    if state is not None and state.phase == "up":
        return Interrupted(
            "interrupted; the lab is up, but some of its hosts may be off",
            where=f"lab {lab.name}",
            hint=f"`runbook lab up{option}` starts them; then run the interrupted command again",
        )
    return Interrupted(
        "interrupted; a part of the lab remains",
        where=f"lab {lab.name}",
        hint=f"`runbook lab down{option}` ends it",
    )
