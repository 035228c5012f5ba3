"""A notebook without a parameter model is found, shown, planned and run; a model may be next to the notebook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from runbook_lib.cli.main import cli
from runbook_lib.errors import InputError, ParameterError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job_graph import plan_run
from runbook_lib.execution.fleet.request import RunRequest
from runbook_lib.model.status import Status
from tests.execution.project import finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.project import Project

PARAMETERS = """\
from typing import Annotated, Literal
from annotated_types import Gt
inventory: str = "inventory.yml"
hosts: str = "all"
port: Annotated[int, Gt(0)] = 443  # where TLS is served
wiring: Literal["on", "off"] = "on"
note: str | None = None  # for the record
names: list[str] = ["a"]
key: str  # reference to the private key
"""
CELLS = (
    "from runbook_lib import Runbook\nfrom tests.runbook.practice import Does",
    "book = Runbook.open()",
    'book.step("Serve TLS", Does(("true",)))\nfor name in names:\n    book.step(f"Serve {name}", Does(("true",)))',
    "%%on host-a\nuptime",
    "for batch in book.batches(hosts='all'):\n    with book.transaction('Switch', hosts=batch):\n        pass",
    "for batch in book.batches():\n    pass",
    "book.close()",
)
PROSE = "# Rotate TLS\n\nReplaces the certificate\non all web servers.\n\nMore."


def write(place: Path, *cells: str, name: str = "tls-rotation", **metadata: Any) -> Path:  # noqa: ANN401 - JSON
    """Write a notebook whose first code cell is the parameters cell."""
    code: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for source in cells
    ]
    code[0]["metadata"] = {"tags": ["parameters"]}
    prose = {"cell_type": "markdown", "metadata": {}, "source": PROSE}
    made = [{**cell, "id": f"c{number}"} for number, cell in enumerate([prose, *code])]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": made, "metadata": {"kernelspec": kernel, **metadata}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path = place / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "inventory.yml").write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_notebook_that_opens_a_run_is_a_runbook_without_metadata_and_without_a_number(place: Path) -> None:
    write(place / "notebooks", PARAMETERS, *CELLS)
    write(place / "notebooks", "x = 1", name="scratch")
    (entry,) = catalog.listing().runbooks
    assert (entry.name, entry.model.runbook, entry.model.title) == (
        "tls-rotation",
        "tls-rotation",
        "Rotate TLS",
    )
    assert entry.defaults["port"] == 443
    with pytest.raises(InputError, match="no cell calls Runbook"):
        catalog.find("scratch")


def test_parameters_are_checked_before_a_run(place: Path) -> None:
    path = str(write(place, PARAMETERS, *CELLS))
    (job,) = plan_run(RunRequest([path], pairs=[("key", "12:30"), ("note", "1"), ("wiring", "off")])).jobs
    assert (job.values["key"], job.values["note"], job.values["wiring"]) == ("12:30", "1", "off")
    for pairs, why in (
        ([("prt", "1"), ("key", "a")], "unknown name 'prt' .did you mean 'port'"),
        ([("port", "0"), ("key", "a")], "'port': Input should be greater than 0"),
        ([("note", "null")], "'key' is missing"),
        ([("wiring", "maybe"), ("key", "a")], "'wiring': Input should be 'on' or 'off'"),
    ):
        with pytest.raises(ParameterError, match=why):
            plan_run(RunRequest([path], pairs=pairs))


SHOWN = """\
tls-rotation: Rotate TLS
  notebook: {path}

Replaces the certificate on all web servers.

Parameters
  port: int, > 0 = 443
      where TLS is served
  wiring: 'on' | 'off' = 'on'
  note: str | None = None
      for the record
  names: list[str] = ['a']
  key: str (required)
      reference to the private key

Parameters of every runbook
  inventory: str = 'inventory.yml'
"""
STEPS = """
Steps
  1. Serve TLS
  2. Serve {name}
  3. shell: host-a
  4. batches: all
  5. transaction: Switch
  6. batches

Last run: never run
"""


def test_show_describes_a_runbook_and_executes_nothing(place: Path) -> None:
    path = write(place / "notebooks", PARAMETERS, *CELLS)
    shown = CliRunner().invoke(cli, ["show", "tls-rotation"], standalone_mode=False)
    head = SHOWN.format(path=path).splitlines()
    # A long path has a line of its own.
    lines = shown.output.replace(f"\n      {path}", f" {path}").splitlines()
    assert lines[: len(head)] == head
    assert shown.output.endswith(STEPS)
    assert max(map(len, shown.output.replace(str(path), "").splitlines())) <= 80
    data = json.loads(CliRunner().invoke(cli, ["show", str(path), "--json"], standalone_mode=False).output)
    assert data["parameters"][0] == {
        "name": "port", "type": "int", "constraints": ["> 0"], "required": False, "default": 443,
        "description": "where TLS is served", "common": False,
    }  # fmt: skip
    assert data["steps"][0] == {"kind": "step", "title": "Serve TLS"}
    assert data["last_run"] is None


def test_show_prints_json_that_means_what_the_notebook_says(place: Path) -> None:
    title = "done ##vso[task.complete] \u202eback"
    path = write(place, PARAMETERS, "book = Runbook.open()", f'book.step("{title}", Does())', "book.close()")
    shown = CliRunner().invoke(cli, ["show", str(path), "--json"], standalone_mode=False).output
    assert json.loads(shown)["steps"] == [{"kind": "step", "title": title}]
    assert "##vso[" not in shown
    assert "\u202e" not in shown


MODEL = """\
from typing import ClassVar
from helper import PORT
from runbook_lib import Parameters
class Tls(Parameters):
    runbook: ClassVar[str] = "{name}"
    title: ClassVar[str] = "{name}"
    port: int = PORT
"""


def test_models_next_to_two_notebooks_may_have_modules_of_the_same_names(place: Path) -> None:
    for number, name in enumerate(("one", "two")):
        path = write(place / name, "hosts = 'all'", name=name, runbook={"parameters": "tls_model:Tls"})
        (path.parent / "tls_model.py").write_text(MODEL.format(name=name), encoding="utf-8")
        (path.parent / "helper.py").write_text(f"PORT = {number}", encoding="utf-8")
    loaded = [catalog.load(place / name / f"{name}.ipynb") for name in ("one", "two", "one")]
    assert [entry.model.runbook for entry in loaded] == ["one", "two", "one"]
    assert [entry.model.model_fields["port"].default for entry in loaded] == [0, 1, 0]


def test_a_notebook_without_a_model_runs_headless_with_a_module_next_to_it(project: Project) -> None:
    parameters = PARAMETERS.replace("inventory.yml", str(project.inventory)) + f'runs = "{project.runs}"\n'
    path = write(
        project.place / "notebooks", parameters, f"import next_to_it\n{CELLS[0]}", *CELLS[1:3], CELLS[-1]
    )
    (path.parent / "next_to_it.py").write_text("", encoding="utf-8")
    run = ("runbook_lib.cli.main", "run", "tls-rotation", "-p", "key=${env:PATH}", "-p")
    refused = finish(project.start(*run, "prt=1"))
    assert refused.code == 2, refused
    assert "unknown name 'prt' (did you mean 'port'?)" in refused.output
    assert "`runbook show " in refused.output
    assert not project.runs.exists()
    done = finish(project.start(*run, "port=8443"))
    assert done.code == 0, done
    record = project.record
    assert (record.status, record.runbook, record.title) == (Status.CHANGED, "tls-rotation", "Rotate TLS")
    assert (record.parameters["port"], record.parameters["key"]) == (8443, "${env:PATH}")
    shown = finish(project.start("runbook_lib.cli.main", "show", "tls-rotation"))
    assert f"changed, apply, {record.started:%Y-%m-%d}" in shown.output
    assert project.run.name in shown.output
