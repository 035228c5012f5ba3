"""How the last run of a runbook ended, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.layout import RUN_NAME
from runbook_lib.evidence.liveness import Liveness, liveness
from runbook_lib.evidence.reader import read_journal
from runbook_lib.evidence.run_order import in_order_of_start
from runbook_lib.model.skipped_steps import count_steps
from runbook_lib.model.status import SYMBOLS, Status
from runbook_lib.readable_time import local_time

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

__all__ = ["LastOutcome", "last_outcome"]


class LastOutcome(NamedTuple):
    """The last run of a runbook.

    Args:
        text: How it ended, or that it is still running, or that there is none.
        directory: Its evidence; None: it was never run.
        record: Its record, with the status that the judge gives it; None: it was never run, or its journal cannot be
            read.
    """

    text: str
    directory: Path | None = None
    record: RunRecord | None = None


def last_outcome(name: str, runs: Path) -> LastOutcome:
    """Return how the last run of a runbook ended.

    Args:
        name: The runbook.
        runs: The directory with the run directories.
    """
    for path in reversed(in_order_of_start(runs.glob(f"*_{name}_*"))):
        named = RUN_NAME.fullmatch(path.name)
        if not named or named["runbook"] != name:
            continue
        try:
            record = read_journal(path)
            alive = liveness(record)
            if alive is not Liveness.RUNNING:
                # The notebook next to the journal may contradict a good end; of a running one it proves nothing yet.
                record = judged_record(path)
        except EvidenceError as problem:
            return LastOutcome(f"? {problem.message}", path)
        return LastOutcome(_outcome(record, alive), path, record)
    return LastOutcome("never run")


def _outcome(record: RunRecord, alive: Liveness) -> str:
    """Return how a run ended, or that it is still running, or that its process was killed."""
    where = f"{record.mode}, {local_time(record.started)}"
    skipped = count_steps(record.steps, Status.SKIPPED)
    if skipped:
        where = f"{skipped} of {len(record.steps)} steps skipped, {where}"
    match alive:
        case Liveness.RUNNING:
            return f"… running, {where}"
        case Liveness.STALE:
            return f"{SYMBOLS[record.status]} {record.status}, stale (its process has died), {where}"
        case _:
            return f"{SYMBOLS[record.status]} {record.status}, {where}"
