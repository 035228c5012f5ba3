"""`runbook list`: whole names on any terminal, and notebooks that are not runbooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from runbook_lib.cli.list import _lines
from runbook_lib.cli.main import cli
from runbook_lib.execution.catalog import CatalogEntry, listing
from tests.execution.project import TOP

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def runbooks() -> list[CatalogEntry]:
    return listing().runbooks


@pytest.mark.parametrize("width", [80, 60, 100, 20])
def test_names_and_words_are_whole_on_a_narrow_terminal(width: int, runbooks: list[CatalogEntry]) -> None:
    lines = [*_lines(runbooks, {entry.name: "never run" for entry in runbooks}, width)]
    starts = [line.partition(" ")[0] for line in lines if not line.startswith(" ")]
    assert starts == [entry.name for entry in runbooks]
    assert width < 60 or all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    for entry in runbooks:
        assert entry.model.title in text
        assert f"risk: {entry.risk}" in text


@pytest.mark.parametrize("width", [0, 250])
def test_where_there_is_room_each_runbook_has_one_line(width: int, runbooks: list[CatalogEntry]) -> None:
    lines = [*_lines(runbooks, {entry.name: "✓ ok" for entry in runbooks}, width)]
    assert len(lines) == len(runbooks) + 1
    assert lines[0].split("  ")[0] == "runbook"
    assert len({line.index(entry.model.title) for line, entry in zip(lines[1:], runbooks, strict=True)}) == 1


def write(path: Path, *sources: str, **metadata: Any) -> None:  # noqa: ANN401 - JSON
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**empty, "id": f"c{number}", "source": text} for number, text in enumerate(sources)]
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = TOP / "notebooks" / "01_first_steps.ipynb"
    (folder / source.name).write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    return folder


def test_scratch_notebooks_do_not_disturb(project: Path) -> None:
    write(project / "Untitled.ipynb")
    write(project / "99_scratch.ipynb", "1 + 1")
    (project / "notes.ipynb").touch()
    done = CliRunner().invoke(cli, ["list"], standalone_mode=False)
    assert done.return_value == 0
    assert "01_first_steps" in done.output
    assert "not runbooks, since no cell calls Runbook.open(): 99_scratch, Untitled, notes" in done.output


@pytest.mark.parametrize(
    ("name", "sources", "metadata", "why"),
    [
        ("97_draft", ["book = Runbook.open()"], {}, "expected one cell tagged 'parameters'"),
        ("draft", ["x = 1"], {"runbook": {}}, "expected one cell tagged"),
        ("96_cut", None, {}, "not a notebook"),
    ],
)
def test_one_bad_runbook_is_named_and_the_others_are_listed(
    name: str, sources: list[str] | None, metadata: dict[str, Any], why: str, project: Path
) -> None:
    if sources is None:
        (project / f"{name}.ipynb").write_text("{", encoding="utf-8")
    else:
        write(project / f"{name}.ipynb", *sources, **metadata)
    done = CliRunner().invoke(cli, ["list"], standalone_mode=False)
    assert done.return_value == 2
    assert "01_first_steps" in done.output
    assert f"{name}.ipynb: {why}" in done.output
