"""Who listens does not matter: a closed pipe, a lost terminal, a full disk or an odd encoding ends no run."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.layout import ATTESTATION, NOTEBOOK
from runbook_lib.model.status import Status
from tests.deadlines import deadline
from tests.execution.fleet.project import BOOKS, Project
from tests.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 'book.facts("Look", Asleep(p.seconds))'
FLEET = ("10_first", "15_other", "--jobs", "2")


@pytest.fixture
def project(tmp_path: Path, programs: Programs) -> Project:
    made = Project(tmp_path, programs)
    for name in BOOKS:
        made.write(
            name, "import os\nos.system('echo from a child process')", WAIT, "print('häßlich ✓')", WAIT
        )
    made.hosts(host_a={"connection": "local"})
    return made


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which a run was made; tests only read it."""
    programs = Programs()
    made = Project(tmp_path_factory.mktemp("audience"), programs)
    made.write("10_first", 'book.facts("Häßlich ✓ 日本", Asleep(p.seconds))')
    made.hosts(host_a={"connection": "local"})
    done = made.run("10_first")
    assert done.returncode == 0, done.stderr
    (made.top / "policy.yml").write_text("rules: {unsigned-apply: {}}\n", encoding="utf-8")
    yield made
    programs.end()


@pytest.fixture(autouse=True)
def _hangups_arrive() -> Iterator[None]:
    """Where the tests themselves are run by `nohup`, the programs that they start would ignore a hang-up."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def assert_complete(project: Project, runs: int = 1, status: Status = Status.OK) -> None:
    """Each run went to its end, with its notebook, reports and seal."""
    records = project.records()
    assert [record.status for record in records] == [status] * runs
    for record in records:
        path = project.runs / record.run
        for name in (NOTEBOOK, "report.html", "junit.xml", ATTESTATION):
            assert (path / name).exists(), name
        assert "from a child process" in (path / NOTEBOOK).read_text(encoding="utf-8")
        findings = [
            finding for finding in verify_run(path).findings if finding.part in {"journal", "attestation"}
        ]
        assert [finding.kind for finding in findings] == [Kind.UNSIGNED]


def start(
    project: Project,
    *words: str,
    environment: dict[str, str] | None = None,
    **options: Any,  # noqa: ANN401 - Popen's
) -> subprocess.Popen[str]:
    """Start the command line."""
    return project.programs.start(
        project.command(*words),
        cwd=project.top,
        env={**project.environment(), **(environment or {})},
        **options,
    )


def without_reader(project: Project, *words: str, stderr: bool = False) -> tuple[int, str]:
    """Run a command into a pipe that nobody reads; return its code and, unless that is gone too, its standard error."""
    read, write = os.pipe()
    os.close(read)
    process = start(project, *words, stdout=write, stderr=write if stderr else subprocess.PIPE)
    os.close(write)
    _, said = process.communicate(timeout=deadline(120))
    return process.returncode, said or ""


@pytest.mark.parametrize("words", [("10_first",), FLEET], ids=" ".join)
def test_a_run_whose_reader_has_gone_goes_to_its_end(project: Project, words: tuple[str, ...]) -> None:
    assert without_reader(project, "run", *words, stderr=words is FLEET) == (0, "")
    assert_complete(project, 2 if words is FLEET else 1)


READERS = [
    ("list",),
    ("report", "last", "-o", "-", "--format", "markdown"),
    ("audit", "query", "SELECT * FROM commands", "--format", "csv"),
    ("audit", "verify", "last", "--without-source", "--allow", "unsigned"),
    ("lab", "status", "--name", "never-started", "--json"),
    ("--help",),
]


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(archive: Project, words: tuple[str, ...]) -> None:
    code, said = without_reader(archive, *words)
    assert (code, said) == (0, "")


@pytest.mark.parametrize("words", [*READERS[:4:3], READERS[4]], ids=" ".join)
def test_a_full_disk_is_one_message_and_no_success(archive: Project, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        process = start(archive, *words, stdout=full, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=deadline(120))
    assert said == "standard output cannot be written: No space left on device\n"
    assert process.returncode == 4


def test_a_run_whose_log_is_on_a_full_disk_goes_to_its_end(project: Project) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        process = start(project, "run", "10_first", stdout=full, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=deadline(120))
    assert said == "standard output cannot be written: No space left on device\n"
    assert process.returncode == 0, "its evidence is complete"
    assert_complete(project)


ENCODINGS: list[dict[str, str]] = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("environment", ENCODINGS, ids=lambda given: "-".join(given.values()))
def test_an_odd_encoding_ends_no_run(project: Project, environment: dict[str, str]) -> None:
    words = FLEET if environment == ENCODINGS[0] else ("10_first",)
    process = start(project, "run", *words, environment=environment, text=False)
    output: Any = process.communicate(timeout=deadline(120))[0]
    assert process.returncode == 0, output
    assert b"Traceback" not in output
    assert b"evidence: " in output
    assert_complete(project, 2 if words is FLEET else 1)


@pytest.mark.parametrize("environment", ENCODINGS, ids=lambda given: "-".join(given.values()))
def test_an_odd_encoding_loses_nothing(archive: Project, environment: dict[str, str]) -> None:
    process = start(archive, "audit", "show", "last", environment=environment, text=False)
    output: Any = process.communicate(timeout=deadline(120))[0]
    assert process.returncode == 0, output
    assert b"\\u2713" in output
    query = ("audit", "query", "SELECT title FROM steps", "--format", "json")
    process = start(archive, *query, environment=environment, text=False)
    output = process.communicate(timeout=deadline(120))[0]
    assert json.loads(output) == [{"title": "Häßlich ✓ 日本"}]  # documents are UTF-8 in every locale


def test_closed_standard_streams_end_no_run(project: Project) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *project.command("run", "10_first")]
    process = project.programs.start(command, cwd=project.top, env=project.environment())
    assert process.wait(deadline(120)) == 0
    assert_complete(project)


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Open a terminal; yield its two ends."""
    ends = pty.openpty()
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


_CONTROLLING = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # the terminal's session leader gets SIGHUP
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.parametrize("words", [("10_first",), FLEET], ids=" ".join)
def test_a_run_whose_terminal_is_lost_goes_to_its_end(project: Project, words: tuple[str, ...]) -> None:
    command = project.command("run", *words, "-p", "seconds", "2")
    with terminal() as (ours, theirs):
        process = project.programs.start(
            [command[0], "-c", _CONTROLLING, *command],
            cwd=project.top,
            env={**project.environment(), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        project.wait_for("command_started")
        assert os.read(ours, 100)
    assert process.wait(deadline(120)) == 0
    assert_complete(project, 2 if words is FLEET else 1)


def test_a_hangup_ends_no_run_and_a_stop_signal_after_it_still_does(project: Project) -> None:
    process = start(project, "run", "10_first", "-p", "seconds", "30")
    project.wait_for("command_started")
    process.send_signal(signal.SIGHUP)
    assert process.stdout
    output = process.stdout.readline()
    while "SIGHUP received: the terminal is lost; continuing without it" not in output:
        line = process.stdout.readline()
        assert line, output  # the end of the run
        output += line
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=deadline(120))
    assert process.returncode == 4
    (record,) = project.records()
    assert record.status is Status.INTERRUPTED
    assert (project.runs / record.run / ATTESTATION).exists()


def test_a_run_of_papermills_command_survives_a_hangup_too(project: Project) -> None:
    command = [project.command()[0], "-m", "papermill", "--engine", "runbook", "--no-progress-bar"]
    process = project.programs.start(
        [*command, "notebooks/10_first.ipynb", "out.ipynb", "-p", "seconds", "1"],
        cwd=project.top,
        env=project.environment(),
    )
    project.wait_for("command_started")
    process.send_signal(signal.SIGHUP)
    output, _ = process.communicate(timeout=deadline(120))
    assert process.returncode == 0, output
    (record,) = project.records()
    assert record.status is Status.OK
