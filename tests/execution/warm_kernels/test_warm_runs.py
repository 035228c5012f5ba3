"""`runbook run` with warm kernels: the same evidence as with cold ones, and nothing left however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution.warm_kernels.lifetime import KERNELS
from runbook_lib.execution.warm_kernels.protocol import SERVER
from runbook_lib.model.status import Status
from tests.deadlines import deadline, wait_until
from tests.execution.processes import alive, children, kill, parent_of
from tests.process_files import process_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Programs

TOP = Path(__file__).parents[3]
_CELLS = (
    (
        "from runbook_lib import Runbook\nfrom tests.runbook.practice import Does, Holds\n"
        "from tests.execution.waiting_practice import Practice"
    ),
    "p = Practice.collect(globals())\nbook = Runbook.open(p)",
    'book.step("First", lambda host: Holds(f"{place}/{host.name}", "first\\n"))',
    'book.step("Second", Does(("sleep", seconds)))',
    "book.close()",
)
_OF_THE_TESTS = {SERVER, KERNELS, "JUPYTER_DEFAULT_PROVISIONER_NAME"}
# What is not the same in two runs of the same runbook.
_OF_ONE_RUN = {"time", "started", "ended", "previous", "seal", "pid", "pid_began", "run", "parameters"}


@dataclass(frozen=True)
class Project:
    """A directory with a runbook in it."""

    place: Path
    programs: Programs

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """Start `runbook run` as from a shell: no fork server but its own."""
        inherited = {name: value for name, value in os.environ.items() if name not in _OF_THE_TESTS}
        return self.programs.start(
            [sys.executable, "-m", "runbook_lib.cli.main", "-v", "run", "10_practice", *options],
            cwd=self.place,
            env={**inherited, "PYTHONPATH": str(TOP), **environment},
        )

    def runs(self) -> list[Path]:
        return sorted((self.place / "runs").glob("*"))

    def journal(self) -> list[dict[str, Any]]:
        """Whole lines of the latest run's journal, so far."""
        with contextlib.suppress(OSError, IndexError):
            whole = (self.runs()[-1] / "journal.jsonl").read_bytes().rpartition(b"\n")[0]
            return [json.loads(line) for line in whole.splitlines()]
        return []

    def kernel(self) -> int | None:
        """Process id of a kernel that waits in its second step."""
        entries = self.journal()
        waits = any(entry["event"] == "command_started" and entry["step"] == 2 for entry in entries)
        return entries[0]["pid"] if waits else None


@pytest.fixture
def project(tmp_path: Path, programs: Programs) -> Project:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local}\n  host-b: {connection: local}\n", encoding="utf-8"
    )
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "runbook": {"parameters": "tests.execution.waiting_practice:Practice"},
    }
    literals = f'inventory = "{tmp_path}/inventory.yml"\nhosts = "all"\nplace = "{tmp_path}"\nseconds = "0"'
    notebook.cells = [cell_of(source) for source in (literals, *_CELLS)]
    notebook.cells[0].metadata.tags = ["parameters"]
    nbformat.write(notebook, tmp_path / "notebooks" / "10_practice.ipynb")  # type: ignore[no-untyped-call]
    return Project(tmp_path, programs)


def cell_of(source: str) -> Any:  # noqa: ANN401 - nbformat's node
    return nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=deadline(120))
    return output


def likeness(data: Any) -> Any:  # noqa: ANN401 - JSON
    """What two runs of the same runbook have in common."""
    if isinstance(data, dict):
        return {key: likeness(value) for key, value in data.items() if key not in _OF_ONE_RUN}
    if isinstance(data, list):
        return [likeness(value) for value in data]
    return data


def by_host(journal: list[dict[str, Any]]) -> list[Any]:
    """Entries, each host's in order: two hosts of a step are worked on side by side."""
    entries = [
        {k: v for k, v in likeness(entry).items() if k not in {"n", "command", "commands"}}
        for entry in journal
        if not entry["event"].startswith("lock_")  # they name the run
    ]
    return sorted(entries, key=lambda entry: (entry.get("step", 0) or 0, entry.get("host", "")))


def test_a_warm_run_leaves_the_evidence_of_a_cold_one(project: Project) -> None:
    runs: dict[str, tuple[Path, list[dict[str, Any]]]] = {}
    shown: dict[str, list[Any]] = {}
    temporary = project.place / ("job-" * 20)  # as deep as a job's of a CI server: too long for sockets
    temporary.mkdir()
    for kind in ("cold", "warm"):
        process = project.start("--kernels", kind, TMPDIR=str(temporary))
        output = finished(process)
        assert process.returncode == 0, output
        assert "start cold" not in output
        assert "starting a cold kernel" not in output
        assert not list(temporary.glob("runbook-*"))
        (path,) = set(project.runs()) - {before for before, _ in runs.values()}
        runs[kind] = (path, journal_of(path))
        notebook = nbformat.read(path / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        shown[kind] = [
            sorted(output.data)
            for cell in notebook.cells
            if cell.cell_type == "code"
            for output in cell.outputs
        ]
        assert read_journal(path).status is Status.CHANGED
        for host in ("host-a", "host-b"):
            (project.place / host).unlink()
    assert by_host(runs["warm"][1]) == by_host(runs["cold"][1])
    assert shown["warm"] == shown["cold"] != []


def _two(found: list[int]) -> list[int] | None:
    """The commands of both hosts, without what holds their locks."""
    waiting = [pid for pid in found if "600.5" in process_file(pid, "cmdline")]
    return waiting if len(waiting) == 2 else None


def journal_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "journal.jsonl").read_bytes().splitlines()]


@pytest.fixture
def waiting(project: Project) -> Iterator[tuple[Project, subprocess.Popen[str], int]]:
    """A run whose kernel waits in its second step."""
    process = project.start("-p", "seconds", "600.5", RUNBOOK_KERNELS="warm")
    commands: list[int] = []
    try:
        kernel = wait_until(project.kernel)
        commands = wait_until(lambda: _two(children(kernel)))
        yield project, process, kernel
    finally:
        process.kill()
        process.communicate()
        for pid in commands:  # in sessions of their own: they outlive a kernel that is killed
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_killed_kernel_is_seen(waiting: tuple[Project, subprocess.Popen[str], int]) -> None:
    project, process, kernel = waiting
    server = parent_of(kernel)
    os.kill(kernel, signal.SIGKILL)
    finished(process)
    assert process.returncode == 4
    assert read_journal(project.runs()[-1]).status is Status.UNKNOWN
    wait_until(lambda: not alive(server))


def test_ctrl_c_is_heard_and_the_journal_ended(waiting: tuple[Project, subprocess.Popen[str], int]) -> None:
    project, process, kernel = waiting
    server = parent_of(kernel)
    os.killpg(process.pid, signal.SIGINT)
    finished(process)
    assert process.returncode == 4
    record = read_journal(project.runs()[-1])
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, "")
    wait_until(lambda: not alive(server) and not alive(kernel))


def test_nothing_is_left_of_a_killed_command(waiting: tuple[Project, subprocess.Popen[str], int]) -> None:
    _, process, kernel = waiting
    server = parent_of(kernel)
    assert children(server) == [kernel]
    process.kill()
    wait_until(lambda: not alive(server) and not alive(kernel))


def test_a_killed_server_is_seen_and_the_run_is_no_success(
    waiting: tuple[Project, subprocess.Popen[str], int],
) -> None:
    project, process, kernel = waiting
    kill(parent_of(kernel))
    output = finished(process)
    assert process.returncode == 4, output
    assert read_journal(project.runs()[-1]).status is Status.UNKNOWN
    wait_until(lambda: not alive(kernel))


def test_a_mistyped_kind_of_kernel_touches_nothing(project: Project) -> None:
    process = project.start(RUNBOOK_KERNELS="tepid")
    assert "'tepid' is not one of 'warm', 'cold'" in finished(process)
    assert process.returncode == 2
    assert project.runs() == []


def test_what_papermill_was_loaded_without_can_be_loaded_later() -> None:
    code = (
        "import sys; from runbook_lib.execution.fast_import import load_papermill; load_papermill()\n"
        "assert 'papermill' in sys.modules and not {'pyarrow', 'rfc3987_syntax', 'requests'} & set(sys.modules)\n"
        "import papermill.iorw, requests; assert papermill.iorw.requests.get is requests.get\n"
        "import pyarrow, pandas; print(pandas.DataFrame({'a': [1]}).convert_dtypes(dtype_backend='pyarrow').a.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(120)
    )
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_a_run_is_planned_and_its_kernel_requested_before_anything_else_is_loaded(tmp_path: Path) -> None:
    """What a kernel waits for: neither the SSH library nor cryptography, templates, or what prints on a terminal."""
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\n", encoding="ascii")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "known_hosts").touch()
    host = {
        "address": "192.0.2.1",
        "identity_file": f"{tmp_path}/key",
        "known_hosts": f"{tmp_path}/known_hosts",
    }
    (tmp_path / "hosts.yml").write_text(json.dumps({"hosts": {"web-1": host}}), encoding="utf-8")
    code = (
        "import sys; from runbook_lib.cli.run import _load_nbformat, _load_papermill, _plan; _load_nbformat()\n"
        "from runbook_lib.execution.fleet.request import RunRequest\n"
        f"given = [('inventory', '{tmp_path}/hosts.yml'), ('hosts', 'all')]\n"
        f"graph = _plan(RunRequest(names=['{TOP}/benchmarks/trivial.ipynb'], pairs=given))\n"
        "assert graph.connections == {'ssh'} and 'papermill' not in sys.modules\n"
        "_load_papermill(); from runbook_lib.cli.run_jobs import run_jobs\n"
        "print({'paramiko', 'cryptography', 'jinja2', 'rich', 'pyarrow', 'rfc3987_syntax'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(120)
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


@pytest.mark.parametrize(
    "module", ["fast_import", "notebook.cell_client", "notebook.engine", "notebook.run_notebook"]
)
def test_each_module_can_be_imported_first_although_papermill_loads_our_engine(module: str) -> None:
    code = f"import runbook_lib.execution.{module}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=deadline(120)
    )
    assert (done.returncode, done.stderr) == (0, "")
