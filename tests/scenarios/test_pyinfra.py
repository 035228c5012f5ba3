"""Operations of pyinfra on a practice host, twice in a row: what was changed the first time is found unchanged."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.evidence.reader import read_journal
from tests.deadlines import deadline
from tests.integrations.pyinfra.proven import CASES
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import HostRecord

pytestmark = pytest.mark.lab


def on_host(lab: Lab, script: str) -> None:
    command = lab.ssh_command("host-a", ["sudo sh -e -s"])
    subprocess.run(command, input=script, text=True, check=True, timeout=deadline(120), capture_output=True)


def carried_out(lab: Lab, place: Path, *, prepare: bool) -> dict[int, HostRecord]:
    """Carry out all cases as one run, and return their records in order."""
    place.mkdir()
    book = Runbook.open(parameters(place, inventory=str(lab.inventory), hosts="host-a"))
    for case in CASES:
        if prepare and case.prepare:
            on_host(lab, case.prepare)
        book.step(case.operation, case.make())
    book.close()
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""
    return {number: step.hosts[0] for number, step in enumerate(record.steps)}


def test_operations_change_a_host_once(fresh_lab: Lab, tmp_path: Path) -> None:
    on_host(fresh_lab, "\n".join(case.before for case in CASES))
    first = carried_out(fresh_lab, tmp_path / "first", prepare=True)
    assert {CASES[number].operation: record.status for number, record in first.items()} == {
        case.operation: "changed" for case in CASES
    }
    second = carried_out(fresh_lab, tmp_path / "second", prepare=False)
    expected = [(case.operation, case.second) for case in CASES]
    assert [(CASES[number].operation, record.status) for number, record in second.items()] == expected
    sent = Counter(
        command.kind for record in second.values() if record.status == "ok" for command in record.commands
    )
    assert set(sent) == {"fact"}
