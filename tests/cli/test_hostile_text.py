"""Each verb on hostile data, a forged archive and a hostile host: no terminal and no CI system gets a command."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.live import Live
from rich.text import Text

from runbook_lib.attestation.keys import generate
from runbook_lib.audit.rules import registry as rules
from runbook_lib.cli.live_table import print_result
from runbook_lib.cli.main import cli
from runbook_lib.cli.run_progress import Progress
from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution.fleet.job import JobResult
from runbook_lib.printing.console import FilteredConsole
from runbook_lib.printing.standard_streams import filtered
from runbook_lib.report import formats
from tests.audit.altering import forge_journal
from tests.cli.test_quiet_success import verbs
from tests.deadlines import deadline
from tests.execution.fleet.project import BOOKS, Project
from tests.hostile_text import EVERYTHING, assert_harmless
from tests.report import practice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs

# What the journal's schema does not leave to a forger.
_FIXED = {
    *(
        "event",
        "n",
        "previous",
        "seal",
        "time",
        "started",
        "ended",
        "status",
        "mode",
        "run",
        "kind",
        "outcome",
    ),
    "schema_version",
}
_IN_JOURNAL = EVERYTHING.replace("\ud800", "")  # half a character is not UTF-8
_ARGUMENT = EVERYTHING.replace("\0", "").replace(
    "\ud800", "\udcff"
)  # as Python reads a byte that is not UTF-8


_SETTINGS: dict[str, dict[str, Any]] = {  # of the rules that have no default
    "forbidden-command": {"patterns": ["."]},
    "host-outside-inventory": {"inventory": "inventory.yml"},
    "validate-too-old": {"days": 1, "runbooks": ["10_practice"]},
}


def hostile(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Put hostile text before and after each text in JSON data."""
    if isinstance(value, str):
        return f"{_IN_JOURNAL}{value}{_IN_JOURNAL}"
    if isinstance(value, list):
        return [hostile(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key in _FIXED else hostile(item) for key, item in value.items()}
    return value


def forge(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        entry.update(hostile(entry))


@dataclass(frozen=True)
class Forged:
    """A project with an archive of forged runs, as somebody may send it to an auditor."""

    top: Path
    first: str
    second: str

    def call(self, *words: str) -> int:
        """Run a command, check all that it prints, and return its exit code."""
        names = {"FIRST": self.first, "SECOND": self.second}
        done = CliRunner().invoke(cli, [names.get(word, word) for word in words])
        assert_harmless(done.stdout_bytes)
        assert_harmless(done.stderr_bytes)
        unexpected = done.exception is not None and not isinstance(done.exception, SystemExit)
        assert not unexpected or type(done.exception).__module__ == "runbook_lib.errors", done.exc_info
        assert_harmless(str(done.output).encode())
        return done.exit_code


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Forged:
    top = tmp_path_factory.mktemp("forged")
    (top / "notebooks").mkdir()
    ids = []
    for number, given in enumerate(({}, {"fail_on": "host-b"})):
        run = practice.run(practice.parameters(tmp_path_factory.mktemp("practice"), **given)).directory
        made = top / "runs" / run.name
        shutil.copytree(run, made)
        forge_journal(made, forge)
        assert EVERYTHING[:9] in read_journal(made).title, number
        ids.append(made.name)
    (top / "runs" / "20000101T000000Z_10_first_abcdef").mkdir()
    (top / "runs" / "20000101T000000Z_10_first_abcdef" / "journal.jsonl").write_text(_IN_JOURNAL)
    settings = {name: _SETTINGS.get(name, {}) for name in rules.BUILT_IN}
    (top / "inventory.yml").write_text("hosts: {other: {connection: local}}\n", encoding="utf-8")
    (top / "policy.yml").write_text(json.dumps({"rules": settings}), encoding="utf-8")
    generate(top / "key")
    return Forged(top, *ids)


TO_STDOUT = [name for name in formats.BUILT_IN if isinstance(formats.load_format(name), formats.FileFormat)]
QUERY = "SELECT * FROM {}"
TABLES = ("runs", "steps", "commands", "checks", "files")
CALLS = [
    ("list",),
    *(("report", "FIRST", "-o", "-", "--format", form) for form in TO_STDOUT),
    ("report", "SECOND"),
    ("progress",),
    ("progress", "runs", "--csv"),
    ("progress", _ARGUMENT),
    ("learn", _ARGUMENT),
    ("report", "FIRST", _ARGUMENT),
    ("run", _ARGUMENT),
    ("run", "10_first", "-p", _ARGUMENT, _ARGUMENT),
    ("run", "--resume", _ARGUMENT),
    ("show", "10_first"),
    ("show", "10_first", "--json"),
    ("show", _ARGUMENT),
    ("lint", "notebooks"),
    ("lint", "notebooks", "--format", "json"),
    ("lint", _ARGUMENT),
    ("new", _ARGUMENT),
    ("doctor",),
    ("lab", "status", "--name", _ARGUMENT),
    *(("audit", "list", "--format", form) for form in ("table", "csv", "json")),
    ("audit", "show", "SECOND", "--all"),
    ("audit", "show", _ARGUMENT),
    *(("audit", "query", QUERY.format(table), "--format", "csv") for table in TABLES),
    *(("audit", "query", QUERY.format("commands"), "--format", form) for form in ("table", "json")),
    ("audit", "query", _ARGUMENT),
    *(("audit", "diff", "FIRST", "SECOND", "--format", form) for form in ("table", "html", "json", "csv")),
    *(
        ("audit", "scan", "--policy", "policy.yml", "--format", form)
        for form in ("table", "json", "junit", "sarif")
    ),
    ("audit", "scan", "--policy", _ARGUMENT),
    ("audit", "verify", "runs"),
    ("audit", "verify", "runs", "--json"),
    ("audit", "verify", _ARGUMENT),
    ("audit", "seal", "FIRST", "--key", "key"),
    ("audit", "countersign", "FIRST", "--key", "key"),
    ("audit", "keygen", _ARGUMENT),
    ("audit", "html", "site"),
]
_NEED_A_LAB = {"demo", "lab up", "lab down", "lab shell", "lab break", "lab repair", "lab reset"}


@pytest.mark.parametrize("words", CALLS, ids=lambda words: ascii(" ".join(word[:40] for word in words)))
def test_no_verb_passes_on_what_a_forged_archive_says(
    words: tuple[str, ...], forged: Forged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(forged.top)
    monkeypatch.setenv("XDG_CACHE_HOME", str(forged.top / "cache"))
    forged.call(*words)


def test_the_policy_of_the_scans_is_read_and_finds_something(
    forged: Forged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(forged.top)
    monkeypatch.setenv("XDG_CACHE_HOME", str(forged.top / "cache"))
    done = CliRunner().invoke(cli, ["audit", "scan", "--policy", "policy.yml"])
    assert f" findings: {len(rules.BUILT_IN)} rules" in done.stdout, done.exception


def test_every_verb_is_tried() -> None:
    assert {" ".join(verb) for verb in verbs(cli, ())} - _NEED_A_LAB == {
        " ".join(words[: 2 if words[0] in {"audit", "lab"} else 1]) for words in CALLS
    }


def test_pages_show_what_cannot_be_seen(forged: Forged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forged.top)
    monkeypatch.setenv("XDG_CACHE_HOME", str(forged.top / "cache"))
    forged.call("audit", "html", "pages")
    pages = [*(forged.top / "pages").rglob("*.html")]
    assert len(pages) > 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "␛]0;owned␇" in "".join(page.read_text(encoding="utf-8") for page in pages)


def test_json_loses_nothing(forged: Forged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forged.top)
    done = CliRunner().invoke(cli, ["audit", "query", "SELECT title FROM steps LIMIT 1", "--format", "json"])
    (row,) = json.loads(done.stdout_bytes)
    assert _IN_JOURNAL in row["title"]


ENTRIES: list[dict[str, Any]] = [
    {"event": "run_started", "runbook": "r", "mode": "apply", "hosts": ["h"], "resumes": "x"},
    {"event": "step_started", "step": 1, "title": "t", "hosts": ["h"]},
    {"event": "command_started", "step": 1, "host": "h", "text": "c"},
    {"event": "lock_answered", "host": "h", "outcome": "waiting", "owner": "o"},
    {"event": "lock_answered", "host": "h", "outcome": "taken over", "owner": "o", "forced": True},
    {"event": "host_ended", "step": 1, "host": "h", "status": "failed", "message": "m\nn"},
    {"event": "run_ended", "status": "failed", "steps": 1},
]


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_of_a_run_is_harmless(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    raw = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogatepass")
    monkeypatch.setattr(sys, "stdout", raw)
    with filtered():
        console = FilteredConsole(force_terminal=terminal, soft_wrap=True, width=2000)
        progress = Progress(console, EVERYTHING)
        for entry in ENTRIES:
            progress.report({**hostile(entry), "title": EVERYTHING})
        print_result(
            progress, JobResult("j", problem=EVERYTHING, note=EVERYTHING, path=EVERYTHING), EVERYTHING
        )
        if terminal:
            with Live(console=console, get_renderable=lambda: Text(EVERYTHING), refresh_per_second=1):
                console.print(EVERYTHING, markup=False)
    data = raw.buffer.getvalue()
    assert len(data) > 1000
    assert_harmless(data, styled=terminal)
    if terminal:
        assert b"\x1b[" in data  # the product's own colors


def test_each_line_of_a_message_has_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.StringIO()
    monkeypatch.setattr(sys, "stdout", raw)
    with filtered():
        progress = Progress()
        progress.report(ENTRIES[1])
        progress.report({**ENTRIES[5], "message": "first\nsecond\n\nfourth"})
    indent = " " * 13
    assert raw.getvalue().splitlines()[1:] == [
        f"{indent}first",
        f"{indent}| second",
        f"{indent}| ",
        f"{indent}| fourth",
    ]


CELLS = (
    "import os\nos.system('cat evil.txt; cat evil.txt >&2')",
    "text = open('evil.txt', encoding='utf-8').read()\nprint(text)",
    "from tests.runbook.practice import Does",
    "book.step(text, Does(('sh', '-c', 'cat evil.txt; cat evil.txt >&2; exit 3')))",
)


@pytest.mark.parametrize("jobs", [("10_first",), ("10_first", "15_other", "--jobs", "2")])
def test_a_hostile_host_reaches_no_log(jobs: tuple[str, ...], tmp_path: Path, programs: Programs) -> None:
    project = Project(tmp_path, programs)
    for name in BOOKS:
        project.write(name, *CELLS)
    project.hosts(host_a={"connection": "local"})
    (tmp_path / "evil.txt").write_text(_IN_JOURNAL, encoding="utf-8")
    done = programs.start(
        project.command("-v", "run", *jobs), cwd=tmp_path, env=project.environment(), text=False
    )
    output: Any = done.communicate(timeout=deadline(120))[0]
    assert done.returncode == 1, output.decode()
    assert b"evidence:" in output
    assert "␛]0;owned".encode() in output
    assert_harmless(output)
    for log in tmp_path.rglob("workers.log"):
        assert_harmless(log.read_bytes())
