"""Turn an executed notebook straight into what its rows are made from, and say what is known of a foreign one.

As in `journal_rows`, only the usual case is handled here; the rest is left to `evidence.notebook_records`.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, get_args

from runbook_lib.audit.archive import defaults
from runbook_lib.audit.archive.journal_rows import MODES, STATUSES, STEP_KINDS, Unusual
from runbook_lib.evidence.judgement import judge_run
from runbook_lib.evidence.notebook_records import EmbeddedRecords, outcome
from runbook_lib.evidence.schema_version import why_not_understood
from runbook_lib.model.kinds import CommandKind, current_kind
from runbook_lib.model.records import CommandRecord
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from runbook_lib.evidence.notebook import Notebook

__all__ = ["foreign_run", "run_of_notebook"]

Data = dict[str, Any]

_COMMAND_FIELDS = CommandRecord.model_fields.keys()
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_COMMAND_KINDS = frozenset(get_args(CommandKind))
_FOREIGN = "a foreign notebook, with no record of a run"
_NO_PROOF = "a completed cell proves nothing"


def run_of_notebook(notebook: Notebook) -> Data | None:
    """Return the run of an executed notebook, as `RunRecord` in JSON; None if it contains no record of a run.

    Raises:
        Unusual: Or any other of `UNUSUAL`.
    """
    embedded = EmbeddedRecords.of(notebook)
    if not embedded.starts:
        return None
    start = _only_start(embedded.starts)
    started = _time(start["started"])
    steps = [step for step in embedded.steps if _time(step["started"]) >= started]
    steps.sort(key=lambda step: int(step["number"]))
    ends = [record for record in embedded.ends if record["run"] == start["run"]]
    end = outcome([step["number"] for step in steps], ends, map(_status, steps))
    return {
        **start,
        "status": judge_run(start["run"], end.status, notebook).status.value,
        "ended": end.ended,
        "incomplete": end.incomplete,
        "exposed_secrets": "",
        "steps": list(map(_complete, steps)),
    }


def foreign_run(path: str, notebook: Notebook) -> Data:
    """Return what is known of a notebook that contains no record of a run, as `RunRecord` in JSON.

    Its status is unknown.

    Args:
        path: Its path in the archive, which stands for the run's id.
        notebook: The notebook.
    """
    papermill = _mapping(notebook.metadata.get("papermill"))
    code = [cell for cell in notebook.cells if cell.get("cell_type") == "code"]
    executed = sum(isinstance(cell.get("execution_count"), int) for cell in code)
    return {
        **defaults.RUN,
        "run": path,
        "runbook": PurePosixPath(str(papermill.get("input_path") or path)).stem,
        "started": _papermill_time(papermill.get("start_time")),
        "ended": _papermill_time(papermill.get("end_time")),
        "parameters": _mapping(papermill.get("parameters")),
        "versions": {"papermill": str(papermill["version"])} if papermill.get("version") else {},
        "source": {"input_path": str(papermill["input_path"])} if papermill.get("input_path") else {},
        "incomplete": _summary(len(code), executed, papermill),
    }


def _only_start(starts: list[Data]) -> Data:
    start = starts[0]
    if len(starts) > 1 or start["mode"] not in MODES or start["status"] not in STATUSES:
        raise Unusual("opened more than once, or in an unknown mode")
    if why_not_understood(start.get("schema_version")):
        raise Unusual("of a newer version")
    if start["ended"] is not None or type(start["pid"]) is not int or type(start["incomplete"]) is not str:
        raise Unusual("the start of the run has a value that no start has")
    return start


def _time(text: str) -> datetime:
    """Return a time written as runs write theirs; Python's own parser accepts more than the careful reader."""
    if not _TIME.fullmatch(text):
        raise Unusual("a time in another format")
    return datetime.fromisoformat(text)


def _status(step: Data) -> Status:
    return worst([Status(host["status"]) for host in step["hosts"]])


def _complete(step: Data) -> Data:
    if step["kind"] not in STEP_KINDS or (step["ended"] is not None and not _time(step["ended"])):
        raise Unusual("a step of an unknown kind")
    hosts = list(map(defaults.complete_host, step["hosts"]))
    commands = [command for host in hosts for command in host["commands"]]
    if not {host["status"] for host in hosts} <= STATUSES:
        raise Unusual("a host's record with an unknown status")
    if not {current_kind(kind) for kind in {command["kind"] for command in commands}} <= _COMMAND_KINDS:
        raise Unusual("a command of an unknown kind")
    if any(command.keys() != _COMMAND_FIELDS for command in commands):
        raise Unusual("a command's record with other fields")
    return {**step, "hosts": hosts}


def _summary(code: int, executed: int, papermill: Data) -> str:
    summary = f"{_FOREIGN}: {executed} of {code} code cells were executed"
    if papermill.get("exception") is True:
        summary += ", papermill reports an error"
    elif papermill.get("exception") is False:
        summary += ", papermill reports no error"
    return f"{summary}; {_NO_PROOF}" if executed else summary


def _mapping(value: object) -> Data:
    return value if isinstance(value, dict) else {}


def _papermill_time(value: object) -> str | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone().isoformat() if value else None
    except (ValueError, OverflowError):
        return None
