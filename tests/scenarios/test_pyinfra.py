"""Operations of pyinfra on a practice host, twice in a row: what was changed the first time is found unchanged."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.integrations import pyinfra
from tests.deadlines import deadline
from tests.integrations.pyinfra.proven import CASES, COSTLY
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import HostRecord
    from tests.integrations.pyinfra.proven import Case

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.examples]


def output_of(lab: Lab, script: str) -> str:
    command = lab.ssh_command("host-a", ["sudo sh -e -s"])
    done = subprocess.run(
        command, input=script, text=True, check=True, timeout=deadline(120), capture_output=True
    )
    return done.stdout


def on_host(lab: Lab, script: str) -> None:
    output_of(lab, script)


def carried_out(lab: Lab, place: Path, cases: Sequence[Case], *, prepare: bool) -> list[HostRecord]:
    """Carry out cases as one run, and return their records in order."""
    place.mkdir()
    book = Runbook.open(parameters(place, inventory=str(lab.inventory), hosts="host-a"))
    for case in cases:
        if prepare and case.prepare:
            on_host(lab, case.prepare)
        book.step(case.operation, case.make())
    book.close()
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""
    return [step.hosts[0] for step in record.steps]


def assert_proven(lab: Lab, place: Path, cases: Sequence[Case]) -> None:
    on_host(lab, "\n".join(case.before for case in cases))
    first = carried_out(lab, place / "first", cases, prepare=True)
    assert [(case.operation, record.status) for case, record in zip(cases, first, strict=True)] == [
        (case.operation, "changed") for case in cases
    ]
    second = carried_out(lab, place / "second", cases, prepare=False)
    assert [(case.operation, record.status) for case, record in zip(cases, second, strict=True)] == [
        (case.operation, case.second) for case in cases
    ]
    sent = {command.kind for record in second if record.status == "ok" for command in record.commands}
    assert sent == {"fact"}


UNIT = """[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


def test_a_transaction_rolls_back_a_file_and_a_service(fresh_lab: Lab, tmp_path: Path) -> None:
    name = "rolled-back"
    on_host(fresh_lab, f"printf '{UNIT}' > /etc/systemd/system/{name}.service; systemctl daemon-reload")
    on_host(fresh_lab, f"printf old > /srv/{name}; chown ops:ops /srv/{name}; chmod 0640 /srv/{name}")
    book = Runbook.open(parameters(tmp_path, inventory=str(fresh_lab.inventory), hosts="host-a"))
    with pytest.raises(StepFailed), book.transaction("rotate"):  # noqa: PT012 - as a user writes it
        book.step("File", pyinfra.files.put(src=io.StringIO("new"), dest=f"/srv/{name}", mode="644"))
        book.step("Service", pyinfra.systemd.service(name, running=True, enabled=True))
        book.check("Runs", lambda host: host.service(name).is_running and host.service(name).is_enabled)
        book.check("Fails", lambda host: host.file(f"/srv/{name}").content_string == "old")
    assert [step.status for step in book.record.steps] == ["changed", "changed", "ok", "failed", "failed"]
    undone = book.record.steps[-1].hosts[0]
    assert undone.message.endswith("rolled back: step 2 'Service', step 1 'File'")
    assert [check.holds for check in undone.checks] == [True, True]
    state = f"cat /srv/{name}; stat --format=' %U:%G %a' /srv/{name}; systemctl is-active {name} || true"
    assert output_of(fresh_lab, f"{state}; systemctl is-enabled {name} || true").split() == [
        "old", "ops:ops", "640", "inactive", "disabled",
    ]  # fmt: skip


def test_operations_change_a_host_once(fresh_lab: Lab, tmp_path: Path) -> None:
    assert_proven(fresh_lab, tmp_path, CASES)


@pytest.mark.costly
def test_costly_operations_change_a_host_once(docker_lab: Lab, tmp_path: Path) -> None:
    assert_proven(docker_lab, tmp_path, COSTLY)
