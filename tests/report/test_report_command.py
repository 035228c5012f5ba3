"""`runbook report`, as a user types it."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.model.status import SYMBOLS
from runbook_lib.report.markdown import markdown
from tests.deadlines import deadline
from tests.report import chapter, practice

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord


def report(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("runbook"), "report", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=deadline(60),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a failed run below `runs`."""
    practice.run(practice.parameters(tmp_path, fail_on="host-b"))
    return tmp_path


def test_each_format_is_written_into_the_run_directory(place: Path) -> None:
    (run,) = (place / "runs").iterdir()
    for form, name in (
        ("html", "report.html"),
        ("junit", "junit.xml"),
        ("markdown", "report.md"),
        ("csv", "csv/checks.csv"),
        ("parquet", "parquet/checks.parquet"),
    ):
        done = report("last", "--format", form, cwd=place)
        assert done.returncode == 0, done.stderr
        assert (run / name).stat().st_size > 0
        assert str(run / name) in done.stdout
        assert done.stdout.startswith("Failed. Step 6")


def test_html_junit_and_markdown_can_go_to_standard_output(place: Path) -> None:
    for form, begin in (("html", "<!doctype html>"), ("junit", "<?xml"), ("markdown", "# Small real things")):
        done = report("last", "--format", form, "--output", "-", cwd=place)
        assert done.stdout.lstrip().startswith(begin)
        assert done.stderr == ""


@pytest.mark.parametrize("target", ["page.html", "not/yet.html"])
def test_a_link_that_a_person_names_stays_and_leads_to_the_report(place: Path, target: str) -> None:
    (place / "not").mkdir()
    (place / "page.html").write_text("old", encoding="utf-8")
    (place / "link.html").symlink_to(target)
    done = report("last", "-o", "link.html", cwd=place)
    assert done.returncode == 0, done.stderr
    assert str((place / "link.html").readlink()) == target
    assert (place / target).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("form", ["html", "junit", "markdown"])
def test_a_pipe_that_a_person_names_gets_the_report_and_stays(place: Path, form: str) -> None:
    pipe = place / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 1 << 20)
    try:
        done = report("last", "--format", form, "-o", pipe, cwd=place)
        got = os.read(reader, 1 << 20)
    finally:
        os.close(reader)
    assert done.returncode == 0, done.stderr
    assert pipe.is_fifo()
    expected = report("last", "--format", form, "-o", "-", cwd=place).stdout
    assert got.decode().rstrip() == expected.rstrip()


def test_another_name_of_standard_output_is_standard_output(place: Path) -> None:
    # A link of our own: a test never names a device.
    (place / "stdout").symlink_to("/proc/self/fd/1")
    done = report("last", "--format", "junit", "-o", "stdout", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == report("last", "--format", "junit", "-o", "-", cwd=place).stdout
    assert (place / "stdout").is_symlink()


def test_a_socket_is_refused_and_stays(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "socket"))
        done = report("last", "-o", "socket", cwd=place)
    assert done.returncode == 4
    assert "the report cannot be written" in done.stderr
    assert (place / "socket").is_socket()


def test_several_runs_make_one_page_at_the_path_given(place: Path) -> None:
    (run,) = (place / "runs").iterdir()
    done = report(run, run / "journal.jsonl", "-o", "both.html", "--title", "Twice", cwd=place)
    assert done.returncode == 0
    page = (place / "both.html").read_text(encoding="utf-8")
    assert "2 of 2 runs did not succeed" in page
    assert "<h1>Twice</h1>" in page


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing"], 2, "not a run directory, journal, notebook or run id"),
        (["last", "last"], 2, "--output report.html"),
        (["last", "--format", "csv", "-o", "-"], 2, "name a directory"),
        (["last", "-o", "nowhere/report.html"], 2, "no such directory"),
        (["last", "--format", "pdf"], 2, "formats are: html, junit, markdown, csv, parquet"),
        ([], 2, "Missing argument"),
        (["inventory.yml"], 4, "not a runbook journal"),
        (["empty"], 4, "name a run directory"),
    ],
)
def test_bad_input_gives_one_message(arguments: list[str], code: int, said: str, place: Path) -> None:
    (place / "empty").mkdir()
    done = report(*arguments, cwd=place)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_markdown_shows_foreign_text_as_text(failed: RunRecord) -> None:
    text = markdown([failed, chapter.run(broken=[3, 4])], "Two *runs*")
    assert r"# Two \*runs\*" in text
    assert r"3. Say \<b\>something\</b\> evil" in text
    assert "<script>" not in text
    assert "`` a ` b ``" in markdown([_with_command(failed, "a ` b")], "One")
    assert "the path breaks at hop 3" in text


def test_markdown_has_a_column_for_each_host_whatever_its_name(failed: RunRecord) -> None:
    names = ["step", "a b", "a  b"]
    (host, *_), step = failed.steps[0].hosts, failed.steps[0]
    named = step.model_copy(update={"hosts": [host.model_copy(update={"host": name}) for name in names]})
    text = markdown([failed.model_copy(update={"steps": [named], "hosts": names})], "One")
    header, _, row = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    assert header == ["step", "step", "a b", "a b"]
    assert row == [f"1. {step.title}", *[f"{SYMBOLS[host.status]} {host.status}"] * 3]


def _with_command(run: RunRecord, text: str) -> RunRecord:
    step = run.steps[5]
    host = step.hosts[1]
    command = host.commands[0].model_copy(update={"text": text})
    host = host.model_copy(update={"commands": [command]})
    return run.model_copy(update={"steps": [step.model_copy(update={"hosts": [host]})]})
