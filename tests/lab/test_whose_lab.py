"""A command ends at its own end only the lab that it has started itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.assembly import create_lab
from runbook_lib.lab.lab import Lab
from runbook_lib.lab.status import Started
from runbook_lib.lab.system.paths import locked
from runbook_lib.lab.testing import CONTAINERS, running_lab
from runbook_lib.lab.topology_file import load_topology
from tests.aftermath import AFTERMATH
from tests.deadlines import deadline
from tests.lab_names import lab_name
from tests.whole_lab import wait_for_answers

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.programs import Programs

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("can_have_lab")]
TOP = Path(__file__).parents[2]
NAME = lab_name("whose")


@pytest.fixture
def somebodys() -> Iterator[Lab]:
    """Return a lab that is not up yet, and is ended by this test whatever happens."""
    with AFTERMATH.lab(NAME):
        lab = Lab.open(NAME)
        try:
            yield lab
        finally:
            lab.down()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what a program has printed, up to the line that contains a text."""
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        if text in line:
            return "".join(printed)
    raise AssertionError("".join(printed))


def test_learn_leaves_a_lab_that_somebody_else_has_started_meanwhile(
    somebodys: Lab, programs: Programs, tmp_path: Path
) -> None:
    with locked(somebodys.paths.lock):
        learn = programs.start(
            [
                sys.executable,
                "-m",
                "runbook_lib.cli.main",
                "learn",
                "--name",
                NAME,
                "--port",
                "0",
                "--no-browser",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(TOP)},
            bufsize=1,
        )
        read_until(learn, "practice hosts: starting")  # there was no lab when it looked
        create_lab(somebodys.paths, load_topology().only(["host-a"]), somebodys.inventory, None, store=False)
    read_until(learn, "Ctrl-C ends JupyterLab")
    learn.send_signal(signal.SIGINT)
    output, _ = learn.communicate(timeout=deadline(60))
    assert learn.returncode == 0, output
    wait_for_answers(somebodys, *CONTAINERS)
    with running_lab(NAME, CONTAINERS):
        pass
    assert somebodys.status().phase == "up"


def test_a_lab_that_gets_a_host_for_a_while_stays_up(somebodys: Lab) -> None:
    assert somebodys.up(["host-a"]) is Started.LAB
    with running_lab(NAME, CONTAINERS) as lab:
        assert lab.up(CONTAINERS) is Started.NOTHING
    assert {host.name: host.running for host in somebodys.status().hosts} == dict.fromkeys(CONTAINERS, True)
