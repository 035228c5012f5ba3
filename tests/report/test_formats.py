"""Report formats are found by name: the built-in ones, and those of other packages."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.report.formats import BUILT_IN, GROUP, FileFormat, load_format
from tests.deadlines import deadline
from tests.entry_points import write_package
from tests.report import practice

TOP = Path(__file__).parents[2]

SOURCE = """
from runbook_lib.report.formats import FileFormat, ReportFormat
from runbook_lib.report.summary import outcome_of_runs


class Line(FileFormat):
    default_name = "line.txt"

    def render(self, records, title):
        return f"{title}: {outcome_of_runs(records).headline}\\n".encode()


class Pieces(ReportFormat):
    default_name = "pieces"

    def write(self, records, title, target):
        target.mkdir()
        paths = [target / f"{number}.txt" for number, _ in enumerate(records, start=1)]
        for path, record in zip(paths, records):
            path.write_text(record.runbook)
        return paths


class Unfinished(FileFormat):
    default_name = "unfinished"


class Unrelated:
    pass
"""
FORMATS = {
    "line": "Line",
    "pieces": "Pieces",
    "unrelated": "Unrelated",
    "gone": "Gone",
    "unfinished": "Unfinished",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Another package that is installed, with formats that work and formats that do not."""
    directory = tmp_path / "site-packages"
    directory.mkdir()
    entries = {name: f"other_formats:{value}" for name, value in FORMATS.items()}
    write_package(directory, "other_formats", SOURCE, {GROUP: entries})
    return directory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run in a project."""
    (tmp_path / "project").mkdir()
    return practice.run(practice.parameters(tmp_path / "project")).directory


def runbook(
    *arguments: str | Path, cwd: Path, package: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line, with the other package installed or without."""
    return subprocess.run(
        [sys.executable, "-m", "runbook_lib.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, (TOP, package))))},
        capture_output=True,
        text=True,
        timeout=deadline(60),
        check=False,
    )


def test_the_built_in_formats_are_declared_as_entry_points_too() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN
    names = {name: load_format(name).default_name for name in BUILT_IN}
    assert names == {
        "html": "report.html",
        "junit": "junit.xml",
        "markdown": "report.md",
        "csv": "csv",
        "parquet": "parquet",
    }
    assert isinstance(load_format("html"), FileFormat)


def test_a_format_of_another_package_writes_into_the_run_directory_and_to_standard_output(
    run: Path, package: Path
) -> None:
    done = runbook("report", run, "--format", "line", cwd=run.parents[1], package=package)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(run / "reports" / "line.txt")
    assert (run / "reports" / "line.txt").read_text(encoding="utf-8") == "Small real things: Success\n"
    printed = runbook("report", run, "--format", "line", "-o", "-", cwd=run.parents[1], package=package)
    assert printed.stdout == "Small real things: Success\n"


def test_a_format_of_another_package_may_write_a_directory(run: Path, package: Path) -> None:
    done = runbook("report", run, "--format", "pieces", cwd=run.parents[1], package=package)
    assert done.returncode == 0, done.stderr
    assert (run / "reports" / "pieces" / "1.txt").read_text(encoding="utf-8") == "10_practice"
    refused = runbook("report", run, "--format", "pieces", "-o", "-", cwd=run.parents[1], package=package)
    assert (refused.returncode, "name a directory" in refused.stderr) == (2, True)


def test_verification_does_not_miss_a_seal_over_reports_of_another_package(run: Path, package: Path) -> None:
    before = verify_run(run)
    runbook("report", run, "--format", "line", cwd=run.parents[1], package=package)
    after = verify_run(run)
    assert (after.verdict, after.findings) == (before.verdict, before.findings)


def test_the_help_lists_the_formats_of_other_packages(run: Path, package: Path) -> None:
    with_package = runbook("report", "--help", cwd=run.parents[1], package=package)
    assert "[html|junit|markdown|csv|parquet|line|" in with_package.stdout
    without = runbook("report", "--help", cwd=run.parents[1])
    assert "[html|junit|markdown|csv|parquet]" in without.stdout


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("pdf", "unknown report format 'pdf'"),
        ("unrelated", "other_formats:Unrelated is not a class derived from"),
        ("gone", "cannot load other_formats:Gone"),
        ("unfinished", "other_formats:Unfinished does not define render"),
    ],
)
def test_a_format_that_cannot_be_used_is_named_in_one_message(
    name: str, complaint: str, run: Path, package: Path
) -> None:
    done = runbook("report", run, "--format", name, cwd=run.parents[1], package=package)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
