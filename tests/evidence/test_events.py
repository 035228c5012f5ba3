"""Every event of a journal has one home, and what is recorded about a command is all that its record holds."""

from __future__ import annotations

import ast
import inspect
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.connections.base import ConnectionInfo
from runbook_lib.evidence import events
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.exposed_secrets import Exposure, Place
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.host_settings import Host
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parents[2]
AT = datetime(2026, 11, 26, tzinfo=UTC)
COMMAND = CommandRecord(
    number=1, kind="change", text="true", stdin="in", purpose="why", attempt=2, started=AT, ended=AT,
    exit_code=0, accepted=True, problem="none",
)  # fmt: skip
HOST = HostRecord(host="host-a", address="a", kind="machine", operation="x", status=Status.OK, started=AT)
STEP = StepRecord(number=1, title="Do", started=AT, ended=AT, hosts=[HOST])
RUN = RunRecord(run="r", runbook="b", mode=Mode.APPLY, started=AT, ended=AT, status=Status.OK)
LINK = ConnectionInfo(1, "ssh-ed25519 SHA256:x", "192.0.2.1", 22)

WRITE: dict[str, Callable[[Journal], None]] = {
    "run_started": lambda journal: events.run_started(journal, RUN),
    "pause_started": lambda journal: events.pause_started(journal, 2, 30.0),
    "pause_ended": lambda journal: events.pause_ended(journal, 2, complete=True),
    "confirmation_asked": lambda journal: events.confirmation_asked(journal, 2, "Continue?"),
    "confirmation_answered": lambda journal: events.confirmation_answered(journal, 2, "y", confirmed=True),
    "batch_started": lambda journal: events.batch_started(journal, 2, 2, ("host-a",), 0),
    "transaction_started": lambda journal: events.transaction_started(
        journal, "rotate", ("host-a",), all_or_nothing=False, strict=True
    ),
    "step_started": lambda journal: events.step_started(journal, STEP, ["host-a"]),
    "connected": lambda journal: events.connected(journal, Host(name="host-a"), LINK, 1),
    "lock_asked": lambda journal: events.lock_asked(journal, 1, "host-a", "sh"),
    "lock_answered": lambda journal: events.lock_answered(
        journal, 1, "host-a", outcome="taken", file="/run/lock", owner=None, forced=False
    ),
    "command_started": lambda journal: events.command_started(journal, COMMAND, 1, "host-a"),
    "command_ended": lambda journal: events.command_ended(journal, COMMAND, 1, "host-a"),
    "runner_gone": lambda journal: events.runner_gone(journal, 1),
    "host_ended": lambda journal: events.host_ended(journal, 1, HOST),
    "step_ended": lambda journal: events.step_ended(journal, STEP),
    "transaction_ended": lambda journal: events.transaction_ended(
        journal, "rotate", completed=("host-a",), rolled_back=()
    ),
    "secret_exposed": lambda journal: events.secret_exposed(
        journal, Exposure("${env:WORD}", [Place("output/0", 1, "host-a")])
    ),
    "lock_released": lambda journal: events.lock_released(journal, "host-a", orderly=True),
    "notebook_copied": lambda journal: events.notebook_copied(journal, {"path": "book.ipynb"}),
    "run_ended": lambda journal: events.run_ended(journal, RUN),
}
"""How to write each event, in an order in which they can happen."""


@pytest.fixture(name="journal")
def _journal(tmp_path: Path) -> Path:
    """A journal with one line of every event."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for write in WRITE.values():
        write(journal)
    journal.close()
    return path


def entries(path: Path) -> dict[str, dict[str, Any]]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {entry["event"]: entry for entry in lines}


def test_every_event_has_a_function_of_its_name(journal: Path) -> None:
    functions = {name for name in events.__all__ if inspect.isfunction(getattr(events, name))}
    assert set(WRITE) == functions, "write the new event above too"
    assert set(entries(journal)) == functions


def test_no_other_module_adds_lines_to_a_journal() -> None:
    found = [
        f"{path.relative_to(TOP)}:{node.lineno}"
        for path in sorted((TOP / "runbook_lib").rglob("*.py"))
        if path.name != "events.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"append", "append_nowait"}
        and ast.unparse(node.func.value).endswith("journal")
    ]
    assert found == [], "give the event a function in evidence/events.py"


def test_both_lines_of_a_command_hold_each_field_of_its_record_once(journal: Path) -> None:
    of_line = {"n", "time", "event", "step", "host", "command", "previous", "seal"}
    by_event = entries(journal)
    first, second = (set(by_event[event]) - of_line for event in ("command_started", "command_ended"))
    assert not first & second
    assert first | second == set(CommandRecord.model_fields) - {"number"}


def test_what_was_written_is_read_back(journal: Path) -> None:
    view = JournalView.of(read_lines(journal.read_bytes()))
    assert not view.incomplete
    assert view.connected == {"host-a"}
    read = StepRecord.model_validate(
        {key: value for key, value in view.step_record(1).items() if key in StepRecord.model_fields}
    )
    (host,) = read.hosts
    assert host.commands == [COMMAND]
    assert host.model_copy(update={"commands": []}) == HOST
