"""`runbook new`: what it makes runs at once, in every way in which runbooks are run, and overwrites nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbclient
import nbformat
import papermill
import pytest
import yaml
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError
from runbook_lib.evidence.reader import read_journal
from runbook_lib.installation import Origin
from runbook_lib.lint.lint import lint
from runbook_lib.new_repository.new_repository import create
from tests.deadlines import deadline
from tests.plain_papermill import PlainKernelManager

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord
    from tests.ipython_kernel import Kernel

TOP = Path(__file__).parents[2]
NAME = "rotate-certificates"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new repository, which is also the current directory."""
    place = tmp_path / "own"
    create(NAME, place, Origin())
    monkeypatch.chdir(place)
    return place


def invoke(*words: str) -> int:
    ended = CliRunner().invoke(cli, list(words), standalone_mode=False)
    assert ended.exception is None, ended.output
    return int(ended.return_value)


def records(own: Path) -> list[RunRecord]:
    found = [read_journal(path) for path in (own / "runs").iterdir()]
    return sorted(found, key=lambda record: record.started)  # names do not order the runs of one second


def test_it_has_no_findings_and_yaml_that_can_be_read(own: Path) -> None:
    result = lint([own / "notebooks"])
    assert (list(result.findings), len(result.checked)) == ([], 1)
    for path in own.rglob("*.y*ml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not [path for path in own.rglob("*") if path.is_file() and "@" in path.name]


@pytest.mark.parametrize(
    ("schema", "name"),
    [("vendor.github-workflows", ".github/workflows/runbooks.yml"), ("vendor.gitlab-ci", ".gitlab-ci.yml")],
)
def test_the_ci_files_have_the_form_that_ci_wants(own: Path, schema: str, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(own / name)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=deadline(60))
    assert ended.returncode == 0, ended.stdout


def test_it_is_planned_carried_out_and_then_as_wanted(own: Path) -> None:
    made = own / "made"
    directory = ("-p", "directory", str(made))
    assert invoke("run", NAME, "-f", f"params/{NAME}.yml", *directory, "--mode", "plan") == 0
    assert not made.exists()
    assert invoke("run", NAME, *directory) == 0
    assert made.is_dir()
    assert invoke("run", NAME, *directory) == 0
    assert [record.status for record in records(own)] == ["planned", "changed", "ok"]
    assert {record.title for record in records(own)} == {"Rotate certificates"}


def test_paths_mean_the_same_from_a_folder_below_in_pytest_and_in_jupyterlab(
    own: Path, monkeypatch: pytest.MonkeyPatch, kernel: Kernel
) -> None:
    made = own / "made dir"
    made.mkdir()
    monkeypatch.chdir(own / "notebooks")
    assert invoke("run", NAME, "-f", f"params/{NAME}.yml", "-p", "directory", str(made)) == 0

    arguments = [
        "--runbooks",
        NAME,
        "--params",
        f"params/{NAME}.yml",
        "--runbook-set",
        "directory",
        str(made),
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    ended = subprocess.run(
        command,
        cwd=own / "tests",
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
        timeout=deadline(120),
    )
    assert ended.returncode == 0, ended.stdout

    notebook = own / "notebooks" / f"{NAME}.ipynb"
    kernel.run(  # as JupyterLab starts a kernel
        f"import os, sys\nos.environ['JPY_SESSION_NAME'] = {str(notebook)!r}\n"
        f"sys.path[:0] = [{str(TOP)!r}]\nos.chdir({str(notebook.parent)!r})"
    )
    try:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                kernel.run("".join(cell["source"]).replace(f"/tmp/{NAME}", str(made)))  # noqa: S108 - the template's
    finally:
        kernel.run(f"os.chdir({str(TOP)!r})\ndel os.environ['JPY_SESSION_NAME']")

    found = records(own)
    assert [record.mode for record in found] == ["apply", "validate", "apply"]
    assert {record.status for record in found} == {"ok"}
    assert {record.runbook for record in found} == {NAME}
    assert {path.name for path in own.iterdir() if "run" in path.name} == {"runs"}
    assert not (own / "notebooks" / "runs").exists()


@pytest.mark.parametrize("below", ["", "notebooks"])
def test_plain_papermill_and_nbclient_find_the_same_files_and_name_the_run(own: Path, below: str) -> None:
    """Neither lets the kernel know which file its cells are from: `Runbook.open()` recognizes them."""
    made = own / "made"
    notebook = own / "notebooks" / f"{NAME}.ipynb"
    text = notebook.read_text(encoding="utf-8").replace(f"/tmp/{NAME}", str(made))  # noqa: S108 - the template's
    notebook.write_text(text, encoding="utf-8")
    if below:
        content = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        resources = {"metadata": {"path": str(own / below)}}
        nbclient.NotebookClient(
            content, resources=resources, kernel_manager_class=PlainKernelManager
        ).execute()
    else:
        values = {"directory": str(made)}
        out = own / "out.ipynb"
        papermill.execute_notebook(
            notebook,
            out,
            values,
            cwd=own,
            progress_bar=False,
            log_output=False,
            kernel_manager_class=PlainKernelManager,
        )
    (record,) = records(own)
    assert (record.runbook, record.title, record.status) == (NAME, "Rotate certificates", "changed")
    assert made.is_dir()


def test_its_tests_pass(own: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    ended = subprocess.run(
        command, cwd=own, env=environment, capture_output=True, text=True, check=False, timeout=deadline(120)
    )
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout


def test_another_runbook_in_the_same_repository_keeps_what_is_there(own: Path) -> None:
    (own / "inventory.yml").write_text("hosts:\n  mine: {connection: local}\n", encoding="utf-8")
    made = create("second", own, Origin())
    assert set(made.written) == {"notebooks/second.ipynb", "params/second.yml", "tests/test_second.py"}
    assert "inventory.yml" in made.kept
    assert "mine" in (own / "inventory.yml").read_text(encoding="utf-8")
    assert lint([own]).findings == []


@pytest.mark.parametrize("name", ["db.failover-2", "1.2.3", "nightly.check.py"])
def test_the_test_of_a_runbook_with_a_dot_can_be_imported(tmp_path: Path, name: str) -> None:
    made = create(name, tmp_path, Origin())
    assert f"notebooks/{name}.ipynb" in made.written
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
        timeout=deadline(60),
    )
    assert ended.returncode == 0, ended.stdout
    assert "2 tests collected" in ended.stdout


@pytest.mark.parametrize("path", [f"notebooks/{NAME}.ipynb", f"params/{NAME}.yml", f"tests/test_{NAME}.py"])
def test_nothing_is_overwritten(tmp_path: Path, path: str) -> None:
    mine = tmp_path / path
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not overwritten"):
        create(NAME, tmp_path, Origin())
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == [mine]


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a/b", "a b", "é", "a.ipynb", "a" * 61, "a\nb"])
def test_a_name_that_no_run_could_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        create(name, tmp_path, Origin())
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        create(NAME, tmp_path / "file", Origin())


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin(), ["runbook-lib[jupyter,pytest]"]),
        (
            Origin(url="git+https://example.org/runbooks.git@0123abc"),
            ["runbook-lib[jupyter,pytest] @ git+https://example.org/runbooks.git@0123abc"],
        ),
        (Origin(path=Path("/srv/clone")), ["--find-links wheels", "runbook-lib[jupyter,pytest]"]),
    ],
)
def test_its_requirements_can_be_installed_on_other_machines(
    tmp_path: Path, origin: Origin, expected: list[str]
) -> None:
    create(NAME, tmp_path, origin)
    text = (tmp_path / "requirements.txt").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if not line.startswith("#")] == expected
    assert "/srv" not in text


def test_the_command_names_the_copy_whose_wheel_the_requirements_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Origin, "installed", lambda: Origin(path=Path("/srv/my clone")))
    command = "pip wheel --no-deps --wheel-dir wheels '/srv/my clone'"
    assert command in CliRunner().invoke(cli, ["new", "one"], standalone_mode=False).output
    assert command not in CliRunner().invoke(cli, ["new", "two"], standalone_mode=False).output


def test_the_command_says_what_it_wrote_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(cli, ["new", "one", "--directory", "books"], standalone_mode=False)
    assert "  notebooks/one.ipynb\n" in first.output
    assert "  cd books\n" in first.output
    second = CliRunner().invoke(cli, ["new", "two", "--directory", "books"], standalone_mode=False)
    assert "kept as they were: .github/workflows/runbooks.yml" in second.output
    assert isinstance(CliRunner().invoke(cli, ["new", "two", "--directory", "books"]).exception, InputError)
