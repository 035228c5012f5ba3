"""Read an executed notebook straight into rows, and tell what can be known of one that is not ours.

As in `journals`, only the usual case is dealt with here; the rest is left to `report.sources`.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.audit.archive.journal_rows import KINDS, MODES, STATUSES, Unusual
from runbook_lib.evidence.layout import RUN_MIME, STEP_MIME
from runbook_lib.evidence.notebook_records import missing_records
from runbook_lib.model.records import SCHEMA_VERSION, CommandRecord, HostRecord
from runbook_lib.model.status import Status, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.archive.arrow_rows import Rows

__all__ = ["foreign", "rows_of_notebook"]

Data = dict[str, Any]

_HOST = len(HostRecord.model_fields)
_COMMAND = len(CommandRecord.model_fields)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_COMMAND_KINDS = frozenset({"fact", "change", "guard", "rollback", "shell"})
_NOT_OURS = "a foreign notebook, with no record of a run"
_EXECUTED = "that its cells completed proves nothing"


def rows_of_notebook(rows: Rows, source: int, data: bytes) -> str | None:
    """Add an executed notebook's run to the rows.

    Args:
        rows: Where to.
        source: The number of the file.
        data: The notebook.

    Returns:
        The run's id; None where the notebook holds no record of a run, and nothing was added.

    Raises:
        Unusual: Or any other of `UNUSUAL`; the rows may then be left half filled.
    """
    opened: list[Data] = []
    steps: list[Data] = []
    ended: list[Data] = []
    for bundle in _bundles(orjson.loads(data)):
        if STEP_MIME in bundle:
            steps.append(bundle[STEP_MIME])
        if RUN_MIME in bundle:
            told = bundle[RUN_MIME]
            (opened if told["event"] == "opened" else ended).append(told)
    if not opened:
        return None
    run = _only(opened)
    began = _moment(run["started"])
    steps = [step for step in steps if _moment(step["started"]) >= began]
    steps.sort(key=lambda step: int(step["number"]))
    status, end, incomplete = _outcome(run["run"], steps, ended)
    told = {"status": status, "ended": end, "incomplete": incomplete, "steps": len(steps)}
    rows.run(source, run | told)
    for step in steps:
        _step(rows, source, run["run"], step)
    return str(run["run"])


def foreign(path: str, data: bytes) -> Data | None:
    """Tell what can be known of a notebook that holds no record of a run.

    Args:
        path: Its place in the archive: its name as a run.
        data: The notebook.

    Returns:
        A row of the table `runs`; its status is always `unknown`. None: it is no notebook.
    """
    try:
        notebook = orjson.loads(data)
        metadata, cells = dict(notebook.get("metadata", {})), list(notebook["cells"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    papermill = metadata.get("papermill")
    papermill = papermill if isinstance(papermill, dict) else {}
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    executed = sum(isinstance(cell.get("execution_count"), int) for cell in code)
    return {
        "run": path,
        "runbook": PurePosixPath(str(papermill.get("input_path") or path)).stem,
        "title": "",
        "mode": "",
        "status": Status.UNKNOWN.value,
        "started": _time(papermill.get("start_time")),
        "ended": _time(papermill.get("end_time")),
        "operator": "",
        "machine": "",
        "lab": None,
        "inventory": "",
        "hosts": [],
        "on_failure": "",
        "steps": 0,
        "parameters": _mapping(papermill.get("parameters")),
        "versions": {"papermill": str(papermill["version"])} if papermill.get("version") else {},
        "source": {"input_path": str(papermill["input_path"])} if papermill.get("input_path") else {},
        "incomplete": _known(len(code), executed, papermill),
        "schema_version": SCHEMA_VERSION,
    }


def _bundles(notebook: Data) -> Iterator[Data]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            bundle = output.get("data")
            if bundle is not None and not isinstance(bundle, dict):
                raise Unusual("an output that is none")
            if bundle:
                yield bundle


def _only(opened: list[Data]) -> Data:
    run = opened[0]
    if len(opened) > 1 or run["mode"] not in MODES or run["status"] not in STATUSES:
        raise Unusual("opened more than once, or in no known mode")
    if run["ended"] is not None or type(run["pid"]) is not int or type(run["incomplete"]) is not str:
        raise Unusual("opened with something that is not told there")
    return run


def _moment(text: str) -> datetime:
    """Return a time written as ours are; Python's own reader takes more than the careful one."""
    if not _TIME.fullmatch(text):
        raise Unusual("no time of ours")
    return datetime.fromisoformat(text)


def _outcome(run: str, steps: list[Data], ended: list[Data]) -> tuple[str, str | None, str]:
    """Return status, end, and what is missing; judged as `report.sources` does."""
    ends = [told for told in ended if told["run"] == run]
    incomplete = missing_records([step["number"] for step in steps], ends)
    if incomplete:
        return Status.UNKNOWN.value, None, incomplete
    status, end = Status(ends[-1]["status"]), ends[-1]["ended"]
    of_steps = [worst([Status(host["status"]) for host in step["hosts"]]) for step in steps]
    if status.is_success and worst(of_steps) is not status:
        return Status.UNKNOWN.value, None, "the end of the run does not fit its steps"
    return status.value, end, ""


def _step(rows: Rows, source: int, run: str, step: Data) -> None:
    if step["kind"] not in KINDS or (step["ended"] is not None and not _moment(step["ended"])):
        raise Unusual("a step of no known kind")
    for host in step["hosts"]:
        if len(host) != _HOST or host["status"] not in STATUSES:
            raise Unusual("a host's record with more or less in it than ours have")
        for command in host["commands"]:
            if len(command) != _COMMAND or command["kind"] not in _COMMAND_KINDS:
                raise Unusual("a command's record with more or less in it than ours have")
        rows.host((source, run, step["number"], host["host"]), step, host, host["commands"])


def _known(code: int, executed: int, papermill: Data) -> str:
    told = f"{_NOT_OURS}: {executed} of {code} code cells were executed"
    if papermill.get("exception") is True:
        told += ", papermill tells of an error"
    elif papermill.get("exception") is False:
        told += ", papermill tells of none"
    return f"{told}; {_EXECUTED}" if executed else told


def _mapping(value: object) -> Data:
    return value if isinstance(value, dict) else {}


def _time(value: object) -> str | None:
    """Return a time as papermill wrote it, if it is one."""
    try:
        return datetime.fromisoformat(str(value)).astimezone().isoformat() if value else None
    except (ValueError, OverflowError):
        return None
