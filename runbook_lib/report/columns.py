"""The four tables' columns: the one place that lists them.

Changing a column here means a new `model.SCHEMA_VERSION`. Every table begins with the columns that
join it to the others: a step is `run, step, host`, a command `run, step, host, position`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHECKS", "COMMANDS", "RUNS", "STEPS", "TABLES", "Column"]

TEXT = "string"
WHOLE = "int64"
MAYBE_WHOLE = "Int64"
YES_NO = "bool"
TIME = "datetime64[us, UTC]"
SECONDS = "float64"


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: As in the DataFrame, the CSV and the Parquet file.
        dtype: pandas' name of its type.
        meaning: What a reader should know, with the unit.
    """

    name: str
    dtype: str
    meaning: str


_RUN = Column("run", TEXT, "the run's id: the name of its directory")
_STEP = Column("step", WHOLE, "the step's number within the run, from 1")
_HOST = Column("host", TEXT, "the host's name in the inventory")
_STARTED = Column("started", TIME, "beginning, UTC")
_ENDED = Column("ended", TIME, "end, UTC; missing when it was never told")
_DURATION = Column("duration", SECONDS, "seconds from beginning to end; missing as `ended` is")
_POSITION = Column("position", WHOLE, "place among the rows of the same run, step and host, from 1")

RUNS = (
    _RUN,
    Column("runbook", TEXT, "the runbook's name"),
    Column("title", TEXT, "the runbook's title"),
    Column("mode", TEXT, "plan, apply or validate"),
    Column("status", TEXT, "outcome; `unknown` unless the end of the run was recorded"),
    _STARTED,
    _ENDED,
    _DURATION,
    Column("operator", TEXT, "who ran it"),
    Column("machine", TEXT, "the machine it was run from"),
    Column("lab", TEXT, "the practice lab the hosts belong to; missing for real hosts"),
    Column("inventory", TEXT, "the inventory file"),
    Column("hosts", TEXT, "names of the hosts, separated by commas"),
    Column("on_failure", TEXT, "stop or continue"),
    Column("steps", WHOLE, "number of steps begun"),
    Column("parameters", TEXT, "the parameters, as JSON"),
    Column("versions", TEXT, "versions of the software used, as JSON"),
    Column("source", TEXT, "the git commit and whether anything was uncommitted, as JSON"),
    Column("incomplete", TEXT, "what is missing or wrong with the evidence; empty when it is whole"),
    Column("schema_version", WHOLE, "version of the record the row was made from"),
)

STEPS = (
    _RUN,
    _STEP,
    _HOST,
    Column("title", TEXT, "the step's title"),
    Column("kind", TEXT, "operation, facts or shell"),
    Column("address", TEXT, "the address the host was reached at"),
    Column("host_kind", TEXT, "machine, container or vm"),
    Column("operation", TEXT, "the operation with its arguments"),
    Column("status", TEXT, "outcome of the step on this host"),
    Column("message", TEXT, "why, in words; empty when there is nothing to say"),
    Column("attempt", WHOLE, "how many looks it took until the checks held"),
    _STARTED,
    _ENDED,
    _DURATION,
    Column("commands_sent", WHOLE, "number of commands sent, those that only looked included"),
    Column("commands_planned", WHOLE, "number of commands planned and not sent"),
    Column("checks", WHOLE, "number of checks"),
    Column("checks_broken", WHOLE, "number of checks that do not hold"),
    Column("changes", TEXT, "what is changed, before and after, as JSON"),
    Column("facts", TEXT, "facts after the step, as JSON"),
)

COMMANDS = (
    _RUN,
    _STEP,
    _HOST,
    _POSITION,
    Column("number", WHOLE, "the command's number within the run in the order sent; 0: planned, not sent"),
    Column("sent", YES_NO, "whether it was sent to the host"),
    Column("kind", TEXT, "fact, change, guard, rollback, shell or ending"),
    Column("text", TEXT, "the exact text"),
    Column("stdin", TEXT, "standard input; missing when there was none"),
    Column("purpose", TEXT, "what it is for"),
    Column("attempt", WHOLE, "the look it belongs to, from 1"),
    _STARTED,
    _ENDED,
    _DURATION,
    Column("exit_code", MAYBE_WHOLE, "missing when it was never told"),
    Column("accepted", YES_NO, "whether the exit code is one that is no failure"),
    Column("problem", TEXT, "why there is no exit code"),
    Column("stdout_head", TEXT, "beginning of the output, or all of it"),
    Column("stdout_tail", TEXT, "end of the output, where it does not fit"),
    Column("stdout_size", WHOLE, "bytes of the whole output"),
    Column("stdout_sha256", TEXT, "hash of the whole output; its file's name in `output/`"),
    Column("stdout_complete", YES_NO, "whether the head is all of it"),
    Column("stderr_head", TEXT, "as stdout_head"),
    Column("stderr_tail", TEXT, "as stdout_tail"),
    Column("stderr_size", WHOLE, "as stdout_size"),
    Column("stderr_sha256", TEXT, "as stdout_sha256"),
    Column("stderr_complete", YES_NO, "as stdout_complete"),
)

CHECKS = (
    _RUN,
    _STEP,
    _HOST,
    _POSITION,
    Column("name", TEXT, "what is checked"),
    Column("expected", TEXT, "what should be"),
    Column("observed", TEXT, "what is"),
    Column("holds", YES_NO, "whether it is as it should be"),
)

TABLES: dict[str, tuple[Column, ...]] = {"runs": RUNS, "steps": STEPS, "commands": COMMANDS, "checks": CHECKS}
"""Table name -> its columns, in order."""
