"""What the command line says about the archived evidence, as data.

Run as a program (`python -m tests.evidence.record_expected`) this writes `old_archive/expected/*.json`. The tree
that made the evidence wrote those files once; `test_old_archive.py` runs the same code under later trees. Only
the command line with its JSON, CSV and JUnit output is used. Wording is left out, since it may change.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import runbook_lib

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXPECTED", "OBSERVERS", "Observed", "copy_archive", "observe"]

_ARCHIVE = Path(__file__).with_name("old_archive")
EXPECTED = _ARCHIVE / "expected"
"""What the tree that made the evidence said about it: one JSON file per observer."""
_TOP = Path(runbook_lib.__file__).parents[1]
_TIMEOUT = 300.0  # seconds

Observed = dict[str, Any]
Row = dict[str, Any]

_PLAN = "20261126T003431Z_20_docker_install_98985f"
_APPLY = "20261126T003433Z_20_docker_install_72695a"
_CHANGED = "20261126T004250Z_10_practice_149eea"
_FAILED = "20261126T004257Z_10_practice_ef4714"
_INTERRUPTED = "20261126T004300Z_10_practice_cfc9f5"
_KILLED = "20261126T004321Z_10_practice_aeca12"
_ALTERED = "20261126T004346Z_10_practice_7c74df"
_VALIDATED = "20261126T003511Z_90_validate_0f7fad"
_STANDALONE = "20261126T003205Z_00_preflight_7817f1"
_FOREIGN = "runs/standalone/95_audit.ipynb"
_STANDALONE_NOTEBOOKS = tuple(
    f"runs/standalone/{name}.ipynb"
    for name in ("copy_of_archived_run", "plain_papermill", "run_not_archived")
)

_SHOWN = (_FAILED, _INTERRUPTED, _KILLED, _ALTERED, _VALIDATED, _STANDALONE)
_COMPARED = {"plan and apply": (_PLAN, _APPLY), "changed and failed": (_CHANGED, _FAILED)}

_IDENTITY = ("path", "run", "runbook", "mode", "operator", "machine", "hosts", "started", "ended", "commit")
_VERDICT_FIELDS = (*_IDENTITY, "verdict", "status", "result", "sealed", "signers")

_QUERIES = {
    # Schema version 1 said `ending` for `termination`. The row of a foreign notebook is not made from a record: its
    # version is that of the library, which rises.
    "runs": """
        SELECT run, runbook, title, mode, status, started, ended,
               round(duration, 3) AS duration, operator, machine, lab, inventory, hosts, on_failure, steps,
               parameters, versions, source, incomplete <> '' AS is_incomplete,
               CASE mode WHEN '' THEN 1 ELSE schema_version END AS schema_version
        FROM runs ORDER BY run""",
    "files": "SELECT path, kind, size, sha256, run, problem <> '' AS has_problem FROM files ORDER BY path",
    "steps": """
        SELECT run, step, host, title, kind, host_kind, status, attempt, commands_sent, commands_planned, checks,
               checks_broken, message <> '' AS has_message
        FROM steps ORDER BY run, step, host""",
    "commands": """
        SELECT run, CASE kind WHEN 'termination' THEN 'ending' ELSE kind END AS kind, sent, accepted, exit_code,
               stdout_complete, stderr_complete, count(*) AS commands,
               count(stdin) AS with_stdin, CAST(sum(stdout_size) AS BIGINT) AS stdout_bytes,
               CAST(sum(stderr_size) AS BIGINT) AS stderr_bytes,
               md5(string_agg(text, chr(10) ORDER BY step, host, position)) AS texts
        FROM commands GROUP BY ALL ORDER BY ALL""",
    "checks": """
        SELECT run, holds, count(*) AS checks,
               md5(string_agg(concat_ws('|', name, expected, observed), chr(10) ORDER BY step, host, position)) AS texts
        FROM checks GROUP BY ALL ORDER BY ALL""",
    "failures by host": """
        SELECT r.runbook, s.host, count(*) AS failures FROM steps s JOIN runs r USING (run)
        WHERE s.status = 'failed' GROUP BY ALL ORDER BY ALL""",
}
_JSON_COLUMNS = frozenset({"parameters", "versions", "source", "changes", "facts"})
_READER_TEXT = {
    "runs": frozenset({"incomplete"}),
    "steps": frozenset({"message"}),
    "commands": frozenset({"problem"}),
    "checks": frozenset[str](),
}
"""Columns in which the reader of an incomplete run says what is missing; only whether they are empty is held."""
_RENAMED = {"kind": {"termination": "ending"}}
"""Column -> what a reader says today -> what the tree that made the evidence said (schema version 1)."""


@dataclass(frozen=True)
class _Answer:
    exit_code: int
    text: str
    errors: str


@dataclass(frozen=True)
class _CommandLine:
    """The command line, called in a copy of the archive.

    Args:
        place: The copy.
        scratch: An empty directory for the cache and whatever else is written.
    """

    place: Path
    scratch: Path

    def __call__(self, *arguments: str) -> _Answer:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNBOOK_", "GIT_"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "runbook_lib.cli.main", *arguments],
            cwd=self.place,
            env={**kept, "PYTHONPATH": str(_TOP), "XDG_CACHE_HOME": str(self.scratch / "cache")},
            capture_output=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
            check=False,
        )
        return _Answer(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        answer = self(*arguments)
        assert answer.exit_code == 0, f"runbook {' '.join(arguments)}: {answer}"
        return json.loads(answer.text)


def copy_archive(target: Path) -> Path:
    """Copy what an auditor is handed: runs, trusted keys and approved sources."""
    for name in ("runs", "trusted_keys", "sources"):
        shutil.copytree(_ARCHIVE / name, target / name)
    return target


def observe(name: str, archive: Path, scratch: Path) -> Observed:
    """Return what one command says about a copy of the archive.

    Args:
        name: One of `OBSERVERS`.
        archive: The copy.
        scratch: An empty directory.
    """
    return OBSERVERS[name](_CommandLine(archive, scratch))


def _verify(runbook: _CommandLine) -> Observed:
    usual = ("audit", "verify", "runs", "--json")
    calls = {
        "by trusted keys": ("--trust", "trusted_keys", "--approved", "sources"),
        "by two signers": ("--trust", "trusted_keys", "--approved", "sources", "--signers", "2"),
        "by the reviewer alone, without source": ("--trust", "trusted_keys/reviewer.pub", "--without-source"),
    }
    answers = {name: runbook(*usual, *options) for name, options in calls.items()}
    verdicts = {name: json.loads(answer.text) for name, answer in answers.items()}
    full, *others = calls
    return {
        "exit codes": {name: answer.exit_code for name, answer in answers.items()},
        full: [_verdict(verdict) for verdict in verdicts[full]],
        **{name: {item["path"]: item["verdict"] for item in verdicts[name]} for name in others},
    }


def _verdict(verdict: Row) -> Row:
    found = sorted([item["kind"], item["part"], item["where"]] for item in verdict["findings"])
    return {**{name: verdict[name] for name in _VERDICT_FIELDS}, "findings": found}


def _list(runbook: _CommandLine) -> Observed:
    def rows(*options: str) -> list[Row]:
        listed = runbook.json("audit", "list", "runs", "--format", "json", *options)
        return [
            {**row, "problem": bool(row["problem"]), "seconds": _rounded(row["seconds"])} for row in listed
        ]

    return {
        "all": rows("-n", "0"),
        "on one host": [row["run"] for row in rows("--host", "cloud")],
        "failed": [row["run"] for row in rows("--status", "failed")],
        "foreign": [row["run"] for row in rows("--status", "foreign")],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _show(runbook: _CommandLine) -> Observed:
    return {run: _steps_shown(runbook("audit", "show", run, "--all").text) for run in _SHOWN}


def _steps_shown(text: str) -> list[list[str]]:
    """Return step, title, host and status of the first table; rows that only continue a cell are left out."""
    lines = iter(text.splitlines())
    head = next(line for line in lines if re.match(r"step\s+title\s+host\s+status\s", line))
    starts = [match.start() for match in re.finditer(r"\S+", head)][:5]
    rows = []
    for line in lines:
        if not line.strip():
            break
        cells = [line[start:end].strip() for start, end in itertools.pairwise(starts)]
        if cells[0]:
            rows.append(cells)
    return rows


def _diff(runbook: _CommandLine) -> Observed:
    return {name: _differences(runbook, *pair) for name, pair in _COMPARED.items()}


def _differences(runbook: _CommandLine, first: str, second: str) -> list[list[str | None]]:
    """Return section, place, host, name and how; where it is not wording, also both values."""
    found = []
    for row in runbook.json("audit", "diff", first, second, "--format", "json"):
        key = [row[name] for name in ("section", "place", "host", "name", "how")]
        plain = row["section"] in {"run", "parameters", "steps", "durations"}
        found.append([*key, row["before"], row["after"]] if plain else key)
    return found


def _query(runbook: _CommandLine) -> Observed:
    answers = {}
    for name, sql in _QUERIES.items():
        rows = runbook.json("audit", "query", " ".join(sql.split()), "--format", "json")
        answers[name] = [{column: _plain(column, value) for column, value in row.items()} for row in rows]
    return answers


def _plain(column: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    return json.loads(value) if column in _JSON_COLUMNS and value else value


def _report(runbook: _CommandLine) -> Observed:
    runs = sorted(path.relative_to(runbook.place).as_posix() for path in (runbook.place / "runs").glob("2*"))
    foreign = runbook("report", _FOREIGN, "--format", "csv", "-o", str(runbook.scratch / "foreign"))
    # Standalone notebooks of archived runs have the same run ids: they are reported on apart.
    return {
        "run directories": _reports(runbook, runs),
        "standalone notebooks": _reports(runbook, list(_STANDALONE_NOTEBOOKS)),
        "foreign notebook": {"exit code": foreign.exit_code},
    }


def _reports(runbook: _CommandLine, paths: list[str]) -> Observed:
    place = Path(tempfile.mkdtemp(dir=runbook.scratch))
    for form, target in (("csv", place), ("junit", place / "junit.xml")):
        answer = runbook("report", *paths, "--format", form, "-o", str(target))
        assert answer.exit_code == 0, f"runbook report --format {form}: {answer}"
    tables = {name: _csv(place / f"{name}.csv") for name in _READER_TEXT}
    suites = ET.fromstring((place / "junit.xml").read_bytes())  # noqa: S314 - written a moment ago by the library
    cases = {_property(suite, "run"): suite for suite in suites.iter("testsuite")}
    return {about["run"]: _report_on(about, tables, cases[about["run"]]) for about in tables["runs"]}


def _report_on(about: dict[str, str], tables: dict[str, list[dict[str, str]]], suite: ET.Element) -> Observed:
    run, incomplete = about["run"], bool(about["incomplete"])
    own = {name: [row for row in rows if row["run"] == run] for name, rows in tables.items()}
    return {
        "status": about["status"],
        "incomplete": incomplete,
        "tables": {
            name: _digests(rows, _READER_TEXT[name] if incomplete else frozenset())
            for name, rows in own.items()
        },
        "junit": _cases(suite, {row["title"] for row in own["steps"]}),
    }


def _property(suite: ET.Element, name: str) -> str:
    return next(item.get("value", "") for item in suite.iter("property") if item.get("name") == name)


def _csv(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _digests(rows: list[dict[str, str]], reader_text: frozenset[str]) -> Observed:
    """Return the number of rows, and for each column a digest of its values."""
    columns: dict[str, str] = {}
    for column in rows[0] if rows else ():
        values: list[Any] = [_RENAMED.get(column, {}).get(row[column], row[column]) for row in rows]
        if column in reader_text:
            values = [bool(value) for value in values]
        elif column in _JSON_COLUMNS:
            values = [json.loads(value) if value else None for value in values]
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        columns[column] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {"rows": len(rows), "columns": columns}


def _cases(suite: ET.Element, titles: set[str]) -> list[list[str]]:
    """Return class, name and outcome per test case; a case that is not a step's is named by the library."""
    found = []
    for case in suite.iter("testcase"):
        outcome = next(
            (child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed"
        )
        name = case.get("name", "")
        is_step = re.sub(r" \(step \d+\)$", "", name) in titles
        # Of several runs of one runbook the class also says which it is, as `10_practice (plan).host-a`.
        classname = re.sub(r" \([^()]*\)(?=\.|$)", "", case.get("classname", ""), count=1)
        found.append([classname, name if is_step else "not a step", outcome])
    return found


OBSERVERS: dict[str, Callable[[_CommandLine], Observed]] = {
    "verify": _verify,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "query": _query,
    "report": _report,
}
"""One observer per command; `expected/NAME.json` holds what it returned under the tree that made the evidence."""


def _dump(value: Any, indent: str = "") -> str:  # noqa: ANN401 - JSON
    """Return JSON with one line per row, as a reader of a git diff wants it."""
    deeper = f"{indent} "
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        items = [f"{deeper}{json.dumps(key)}: {_dump(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [f"{deeper}{json.dumps(item, ensure_ascii=False)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the expected files again, from the library that is installed."""
    EXPECTED.mkdir(exist_ok=True)
    for name in OBSERVERS:
        with tempfile.TemporaryDirectory(prefix="old-archive-") as directory:
            place = Path(directory)
            archive = copy_archive(place / "archive")
            observed = observe(name, archive, place)
        (EXPECTED / f"{name}.json").write_text(f"{_dump(observed)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
