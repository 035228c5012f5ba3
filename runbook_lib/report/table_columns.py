"""The columns of the four tables: the one place that lists them.

A column is declared once, with its name, its type, what it means and where its value comes from in a record. The
pandas and Arrow tables, CSV and Parquet files, the archive's SQL tables, the records rebuilt from an archive and
`docs/tables.md` all follow from the declaration. To add a column, add its line here and write `docs/tables.md`
again with `python -m tests.report.tables_page`; a change of a column's name, type or meaning also raises
`model.records.SCHEMA_VERSION`.

Every table begins with the columns that join it to the others: a step is `run, step, host`, a command
`run, step, host, position`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from runbook_lib.model.kinds import CommandKind, StepKind, current_kind
from runbook_lib.model.plans import Change
from runbook_lib.model.status import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "CHECKS",
    "COMMANDS",
    "POSITION",
    "ROWS",
    "RUNS",
    "STEPS",
    "TABLES",
    "Column",
    "ColumnType",
    "FromColumns",
]

Payload = dict[str, Any]


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    Args:
        pandas: The name of pandas' type.
        arrow: Arrow's type.
        encode: Makes the cell from the record's value as JSON. None: the cell is that value.
        decode: Makes the record's value from the cell. None: the value is the cell.
    """

    pandas: str
    arrow: pa.DataType
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None


def _json(value: object) -> str:
    """Return compact JSON with sorted keys, so that the journal and the notebook of a run give the same text.

    Raises:
        TypeError: The value cannot be written as JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (
        TypeError
    ):  # an integer of more than 64 bits, or deeper than orjson goes: a record of somebody's own
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _names(cell: str) -> list[str]:
    return cell.split(",") if cell else []


def _changes(cell: str) -> list[Change]:
    return [Change(**change) for change in orjson.loads(cell)]


TEXT = ColumnType("string", pa.string())
INTEGER = ColumnType("int64", pa.int64())
INTEGER_OR_MISSING = ColumnType("Int64", pa.int64())
BOOLEAN = ColumnType("bool", pa.bool_())
TIME = ColumnType("datetime64[us, UTC]", pa.timestamp("us", "UTC"))
SECONDS = ColumnType("float64", pa.float64())
NAMES = ColumnType("string", pa.string(), ",".join, _names)
JSON = ColumnType("string", pa.string(), _json, orjson.loads)
CHANGES = ColumnType("string", pa.string(), _json, _changes)
MODE = ColumnType("string", pa.string(), decode=Mode)
STATUS = ColumnType("string", pa.string(), decode=Status)
COMMAND_KIND = ColumnType("string", pa.string(), encode=current_kind)


@dataclass(frozen=True)
class FromColumns:
    """The source of a column that is computed from other columns of the row, for all rows at once.

    Args:
        compute: Makes the column from the row's columns by their names.
    """

    compute: Callable[[Mapping[str, pa.Array]], pa.Array]


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: In the DataFrame, the CSV and Parquet files, and in SQL.
        type: Its type.
        meaning: What a reader should know, with the unit.
        source: Where the value comes from: a path as `command.stdout.head`, which starts at the `run`, `step`,
            `host`, `command` or `check` of the row or at `position`; a function of the record that the row is about,
            as JSON; or other columns. Only values named by a path can be put into a rebuilt record.
        may_be_missing: Whether a row may have no value here; the meaning says when.
    """

    name: str
    type: ColumnType
    meaning: str
    source: str | Callable[[Payload], Any] | FromColumns
    may_be_missing: bool = False

    @property
    def dtype(self) -> str:
        """The name of pandas' type."""
        return self.type.pandas


def _duration(columns: Mapping[str, pa.Array]) -> pa.Array:
    started, ended = (columns[name].cast(pa.int64()) for name in ("started", "ended"))
    return pc.divide(pc.subtract(ended, started).cast(pa.float64()), 1e6)


def _is_sent(columns: Mapping[str, pa.Array]) -> pa.Array:
    return pc.not_equal(columns["number"], 0)


def _sent(host: Payload) -> int:
    return sum([command["number"] != 0 for command in host["commands"]])


def _planned(host: Payload) -> int:
    return sum([command["number"] == 0 for command in host["commands"]])


def _failed_checks(host: Payload) -> int:
    return sum([not check["holds"] for check in host["checks"]])


def _times(record: str, *, start_may_be_missing: bool = False) -> Iterable[Column]:
    """Return the columns that say when a run, a step on a host or a command ran, and for how long."""
    meaning = (
        "start, UTC; missing if the step's end was not recorded" if start_may_be_missing else "start, UTC"
    )
    yield Column("started", TIME, meaning, f"{record}.started", start_may_be_missing)
    yield Column(
        "ended", TIME, "end, UTC; missing if it was not recorded", f"{record}.ended", may_be_missing=True
    )
    meaning = "seconds from start to end; missing if either is missing"
    yield Column("duration", SECONDS, meaning, FromColumns(_duration), may_be_missing=True)


def _stream(name: str) -> Iterable[Column]:
    """Return the columns of one output stream of a command."""
    source = f"command.{name}"
    yield Column(f"{name}_head", TEXT, f"start of {name}, or all of it", f"{source}.head")
    yield Column(f"{name}_tail", TEXT, f"end of {name}, if the head is not all of it", f"{source}.tail")
    yield Column(f"{name}_size", INTEGER, f"bytes of all of {name}", f"{source}.size")
    meaning = f"SHA-256 of all of {name}; the name of its file in `output/`"
    yield Column(f"{name}_sha256", TEXT, meaning, f"{source}.sha256")
    yield Column(f"{name}_complete", BOOLEAN, f"whether the head is all of {name}", f"{source}.complete")


def _one_of(kinds: Any) -> str:  # noqa: ANN401 - a Literal
    *others, last = get_args(kinds)
    return f"{', '.join(others)} or {last}"


POSITION = "position"
"""The column that numbers the commands, or the checks, of a step on a host."""
_RUN = Column("run", TEXT, "the run's id: the name of its directory", "run.run")
_STEP = Column("step", INTEGER, "the step's number within the run, from 1", "step.number")
_HOST = Column("host", TEXT, "the host's name in the inventory", "host.host")
_POSITION = Column(
    POSITION, INTEGER, "position among the rows of the same run, step and host, from 1", POSITION
)

RUNS = (
    _RUN,
    Column("runbook", TEXT, "the runbook's name", "run.runbook"),
    Column("title", TEXT, "the runbook's title", "run.title"),
    Column("mode", MODE, "plan, apply or validate", "run.mode"),
    Column("status", STATUS, "outcome; `unknown` unless the end of the run was recorded", "run.status"),
    *_times("run"),
    Column("operator", TEXT, "the user who started the run", "run.operator"),
    Column("machine", TEXT, "the machine that the run was started on", "run.machine"),
    Column(
        "lab",
        TEXT,
        "the practice lab that the hosts belong to; missing for real hosts",
        "run.lab",
        may_be_missing=True,
    ),
    Column("inventory", TEXT, "the inventory file", "run.inventory"),
    Column("hosts", NAMES, "names of the hosts, separated by commas", "run.hosts"),
    Column("on_failure", TEXT, "stop or continue", "run.on_failure"),
    Column("steps", INTEGER, "number of steps started", lambda run: len(run["steps"])),
    Column("parameters", JSON, "the parameters, as JSON", "run.parameters"),
    Column("versions", JSON, "versions of the software used, as JSON", "run.versions"),
    Column("source", JSON, "the git commit and whether anything was uncommitted, as JSON", "run.source"),
    Column(
        "incomplete",
        TEXT,
        "what is missing from the evidence or wrong with it; empty if nothing is",
        "run.incomplete",
    ),
    Column(
        "exposed_secrets",
        TEXT,
        "secrets that were recorded in plain text before the run knew them, and where; empty if none was",
        "run.exposed_secrets",
    ),
    Column(
        "schema_version",
        INTEGER,
        "schema version of the record that the row was made from",
        "run.schema_version",
    ),
)

STEPS = (
    _RUN,
    _STEP,
    _HOST,
    Column("title", TEXT, "the step's title", "step.title"),
    Column("kind", TEXT, _one_of(StepKind), "step.kind"),
    Column("address", TEXT, "the address that the host was reached at", "host.address"),
    Column("host_kind", TEXT, "machine, container or vm", "host.kind"),
    Column("operation", TEXT, "the operation with its arguments", "host.operation"),
    Column("status", STATUS, "outcome of the step on this host", "host.status"),
    Column("message", TEXT, "the reason for the outcome; empty if there is nothing to say", "host.message"),
    Column("attempt", INTEGER, "number of attempts until the checks passed", "host.attempt"),
    *_times("host", start_may_be_missing=True),
    Column("commands_sent", INTEGER, "number of commands sent, read-only ones included", _sent),
    Column("commands_planned", INTEGER, "number of commands planned and not sent", _planned),
    Column("checks", INTEGER, "number of checks", lambda host: len(host["checks"])),
    Column("checks_broken", INTEGER, "number of checks that failed", _failed_checks),
    Column("changes", CHANGES, "what the step changes, before and after, as JSON", "host.changes"),
    Column("facts", JSON, "facts after the step, as JSON", "host.facts"),
)

COMMANDS = (
    _RUN,
    _STEP,
    _HOST,
    _POSITION,
    Column(
        "number",
        INTEGER,
        "the command's number within the run in the order sent; 0 if it was planned and not sent",
        "command.number",
    ),
    Column("sent", BOOLEAN, "whether the command was sent to the host", FromColumns(_is_sent)),
    Column("kind", COMMAND_KIND, _one_of(CommandKind), "command.kind"),
    Column("text", TEXT, "the exact text", "command.text"),
    Column("stdin", TEXT, "standard input; missing if there was none", "command.stdin", may_be_missing=True),
    Column("purpose", TEXT, "the purpose of the command", "command.purpose"),
    Column("attempt", INTEGER, "the attempt that the command belongs to, from 1", "command.attempt"),
    *_times("command"),
    Column(
        "exit_code",
        INTEGER_OR_MISSING,
        "exit code; missing if it was not recorded",
        "command.exit_code",
        may_be_missing=True,
    ),
    Column("accepted", BOOLEAN, "whether the exit code is an accepted one", "command.accepted"),
    Column("problem", TEXT, "why the exit code is missing, or that sudo was slow", "command.problem"),
    *_stream("stdout"),
    *_stream("stderr"),
)

CHECKS = (
    _RUN,
    _STEP,
    _HOST,
    _POSITION,
    Column("name", TEXT, "what is checked", "check.name"),
    Column("expected", TEXT, "the expected value", "check.expected"),
    Column("observed", TEXT, "the observed value", "check.observed"),
    Column("holds", BOOLEAN, "whether the check passed", "check.holds"),
    Column("id", TEXT, "the check's identifier, the same in every run; empty if it has none", "check.id"),
)

TABLES: dict[str, tuple[Column, ...]] = {"runs": RUNS, "steps": STEPS, "commands": COMMANDS, "checks": CHECKS}
"""Table name -> its columns, in order."""
ROWS = {"runs": "run", "steps": "host", "commands": "command", "checks": "check"}
"""Table name -> the record that a row is about."""
