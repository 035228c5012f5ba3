"""Turn a sound journal straight into rows.

A run's record would say the same, but validating each of its values takes several times as long. So only the usual
case is handled here; anything unusual is left to `evidence.reader.record_of`, which says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook_lib.errors import RunbookError
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.evidence.reader import read_lines
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from runbook_lib.audit.archive.arrow_rows import Rows
    from runbook_lib.evidence.journal_view import HostEntries, JournalEntry

__all__ = ["MODES", "STATUSES", "STEP_KINDS", "UNUSUAL", "Unusual", "rows_of_journal"]

STATUSES = frozenset(status.value for status in Status)
MODES = frozenset(mode.value for mode in Mode)
STEP_KINDS = frozenset({"operation", "facts", "shell"})
_HOST_WITHOUT_END: dict[str, Any] = {
    "address": "",
    "kind": "",
    "operation": "",
    "status": Status.UNKNOWN.value,
    "message": "its end was not recorded",
    "attempt": 1,
    "started": None,
    "ended": None,
    "changes": [],
    "checks": [],
    "facts": {},
}
_STREAM = {"head": "", "tail": "", "size": 0, "sha256": "", "complete": True}
_COMMAND_WITHOUT_END = {
    "ended": None,
    "exit_code": None,
    "accepted": False,
    "problem": "",
    "stdout": _STREAM,
    "stderr": _STREAM,
}


class Unusual(ValueError):  # noqa: N818 - it may still be sound
    """Not what a run writes when all goes well: left to the reader that can say what it is."""


UNUSUAL = (RunbookError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading something unusual may raise."""


def rows_of_journal(rows: Rows, source: int, data: bytes) -> str:
    """Add a journal's run to the rows.

    Args:
        rows: Where to add it.
        source: The number of the file.
        data: The journal.

    Returns:
        The run's id.

    Raises:
        Unusual: Or any other of `UNUSUAL`; the rows may then be left half filled.
    """
    lines = read_lines(data)
    if lines.problem or lines.entries[0]["event"] != "run_started" or lines.entries[0]["mode"] not in MODES:
        raise Unusual("not a sound journal that begins with the start of a run")
    view = JournalView.of(lines)
    run: str = view.started["run"]
    if view.status not in STATUSES:
        raise Unusual("the run has an unknown status")
    rows.run(
        source,
        view.started
        | {
            "status": view.status,
            "ended": view.ended["ended"] if view.ended else None,
            "steps": len(view.steps),
            "incomplete": view.incomplete,
        },
    )
    for number, step in sorted(view.steps.items()):
        if step.started["kind"] not in STEP_KINDS:
            raise Unusual("a step of an unknown kind")
        for name, host in step.hosts.items():
            _add_host(rows, (source, run, number, name), step.started, host)
    return run


def _add_host(rows: Rows, key: tuple[int, str, int, str], step: JournalEntry, host: HostEntries) -> None:
    commands = [
        command if "ended" in command else command | _COMMAND_WITHOUT_END
        for _, command in sorted(host.commands.items())
    ]
    if host.ended is None:
        rows.host(key, step, _HOST_WITHOUT_END, commands)
        return
    if host.ended["status"] not in STATUSES:
        raise Unusual("a host has an unknown status")
    rows.host(key, step, {**host.ended, "kind": host.ended["host_kind"]}, commands + host.ended["planned"])
