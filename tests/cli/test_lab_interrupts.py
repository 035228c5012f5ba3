"""Who interrupts a command that changes a lab learns what is left, and what helps."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Literal

import pytest

from runbook_lib.cli.lab_interrupts import interruptible_change
from runbook_lib.errors import Interrupted
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.state import LabState
from runbook_lib.lab.system import paths
from runbook_lib.lab.topology_file import load_topology

if TYPE_CHECKING:
    from pathlib import Path


def interrupted(lab: Lab, phase: Literal["up", "ending"] | None) -> None:
    """Interrupt a change of a lab twice, and leave the lab in a phase."""
    with interruptible_change(lab):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            if phase:
                state = LabState(
                    name=lab.name,
                    phase=phase,
                    control=load_topology().control,
                    hosts={},
                    groups={},
                    inventory="",
                    packages="",
                )
                state.save(lab.paths)


@pytest.mark.parametrize(
    ("phase", "left", "hint"),
    [
        (None, "nothing of the lab remains", ""),
        ("up", "the lab is up", "`runbook lab up --name mine` starts them"),
        ("ending", "a part of the lab remains", "`runbook lab down --name mine` ends it"),
    ],
)
def test_the_message_says_what_is_left_and_what_helps(
    phase: Literal["up", "ending"] | None,
    left: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "RUN", tmp_path)
    with pytest.raises(Interrupted) as caught:
        interrupted(Lab.open("mine"), phase)
    assert caught.value.where == "lab mine"
    assert left in caught.value.message
    assert hint in (caught.value.hint or "")
