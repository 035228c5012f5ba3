"""A notebook that cannot be run is refused with one message, before a kernel starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import InputError
from runbook_lib.execution import catalog

if TYPE_CHECKING:
    from pathlib import Path

OWN = {"parameters": "tests.runbook.practice:Practice"}
CELL: dict[str, Any] = {
    "cell_type": "code",
    "execution_count": None,
    "id": "a",
    "metadata": {"tags": ["parameters"]},
    "outputs": [],
    "source": "hosts = 'all'",
}


def notebook(cells: Any = (CELL,), runbook: Any = OWN, **other: Any) -> str:  # noqa: ANN401 - right or wrong
    made = {"cells": list(cells), "metadata": {"runbook": runbook}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps({**made, **other})


def load(text: str, place: Path) -> catalog.CatalogEntry:
    path = place / "10_practice.ipynb"
    path.write_text(text, encoding="utf-8")
    return catalog.load(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a notebook"),
        ("[]", "not a notebook of format 4"),
        ("[" * 100_000, "not a notebook"),
        (notebook(nbformat=3), "not a notebook of format 4"),
        (notebook(nbformat=None), "not a notebook of format 4"),
        (notebook(nbformat_minor=True), "not a notebook of format 4"),
        (notebook(metadata=[]), "not a valid notebook: .* is not of type 'object'"),
        (notebook(nbformat_minor=-1), "nbformat_minor -1 is not known"),
        (notebook(cells=[7]), "not a valid notebook"),
        (notebook(cells=[{**CELL, "cell_type": None}]), "not a valid notebook: cells.0.cell_type: None is not one of"),
        (notebook(cells=[{**CELL, "source": None}]), "not a valid notebook"),
        (notebook(cells=[{**CELL, "source": {"a": 1}}]), "not a valid notebook"),
        (notebook(cells=[{**CELL, "outputs": None}]), "not a valid notebook"),
        (notebook(cells=[{**CELL, "metadata": {"tags": None}}]), "not a valid notebook"),
        (notebook(cells=[]), "expected one cell tagged 'parameters', found 0"),
        (notebook(runbook=7), "`runbook` in its metadata is not a mapping"),
        (notebook(runbook={"parameters": 7}), "'parameters': Input should be a valid string"),
        (notebook(runbook={**OWN, "needs": "00_preflight"}), "'needs': Input should be a valid list"),
        (notebook(runbook={**OWN, "risk": None}), "'risk': Input should be a valid string"),
        *(
            (notebook(runbook={"parameters": name}), "the parameter model .* (cannot be loaded|is not a subclass)")
            for name in ("", ":", ".", "..x:Y", "os", "os:path", "tests.nothing:X", "\0:x", "tests.runbook:")
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_with_one_message(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why) as refused:
        load(text, tmp_path)
    assert "10_practice.ipynb" in str(refused.value)


def test_a_cell_without_an_id_and_one_with_lines_are_read(tmp_path: Path) -> None:
    cell = {key: value for key, value in CELL.items() if key != "id"}
    entry = load(notebook(cells=[{**cell, "source": ["hosts = 'all'\n", "at_once = 2"]}]), tmp_path)
    assert entry.defaults == {"hosts": "all", "at_once": 2}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_a_notebook_in_an_encoding_that_papermill_does_not_read_is_refused(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "10_practice.ipynb"
    text = json.dumps({**json.loads(notebook()), "comment": "é"}, ensure_ascii=False)
    path.write_text(text, encoding=encoding)
    with pytest.raises(InputError, match="not a notebook"):
        catalog.load(path)


@pytest.mark.parametrize("text", ["010", "12:30", "[022, 2]"])
def test_a_typed_number_that_yaml_reads_as_another_one_stays_the_text_that_it_is(text: str) -> None:
    assert catalog.read_parameters(None, [("size", text), ("other", "10")]) == (
        {"size": text, "other": 10},
        None,
    )
