"""Real runs to report on: in plain Python, and as a notebook under papermill."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runbook_lib.evidence.lookup import read_run
from tests.deadlines import deadline, wait_until
from tests.plain_papermill import DIED_AT_START
from tests.report import browser, practice

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from runbook_lib.model.records import RunRecord
    from tests.programs import Programs

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class Notebook:
    """A papermill process and what it writes."""

    process: subprocess.Popen[str]
    executed: Path
    runs: Path

    @property
    def directory(self) -> Path:
        (found,) = self.runs.iterdir()
        return found

    def finish(self) -> int:
        self.process.communicate(timeout=deadline(120))
        return self.process.returncode


class StartNotebook(Protocol):
    def __call__(self, **given: Any) -> Notebook: ...  # noqa: ANN401 - any parameter


def begun_or_ended(runs: Path, process: subprocess.Popen[str]) -> bool:
    return runs.exists() or process.poll() is not None


@pytest.fixture
def start_notebook(tmp_path: Path, programs: Programs) -> StartNotebook:
    """Start papermill, as a user would, on the practice notebook."""

    def start(**given: Any) -> Notebook:  # noqa: ANN401 - any parameter
        parameters = practice.parameters(tmp_path, **given).model_dump()
        executed = tmp_path / "executed.ipynb"
        values = [part for name, value in parameters.items() for part in ("-p", name, str(value))]
        command = [sys.executable, "-m", "papermill", str(FILES / "practice.ipynb"), str(executed), *values]
        runs = tmp_path / "runs"
        for _ in range(5):
            process = programs.start(command, cwd=tmp_path)
            wait_until(partial(begun_or_ended, runs, process), "a run, or the end", seconds=120)
            if runs.exists() or DIED_AT_START not in process.communicate()[0]:
                break
        return Notebook(process, executed, runs)

    return start


@pytest.fixture(scope="session")
def failed_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose sixth step failed on host-b."""
    return practice.run(practice.parameters(tmp_path_factory.mktemp("failed"), fail_on="host-b")).directory


@pytest.fixture(scope="session")
def failed(failed_directory: Path) -> RunRecord:
    return read_run(failed_directory)


@pytest.fixture(scope="session")
def well(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return read_run(practice.run(practice.parameters(tmp_path_factory.mktemp("well"))).directory)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return read_run(
        practice.run(practice.parameters(tmp_path_factory.mktemp("planned"), mode="plan")).directory
    )


@pytest.fixture(scope="session")
def cut(failed_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """The same run, its journal cut off in the middle of a line."""
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    whole = (failed_directory / "journal.jsonl").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return read_run(path)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    if browser.installed() is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with browser.opened(tmp_path_factory.mktemp("chromium")) as page:
        yield page
