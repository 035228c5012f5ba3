"""Outputs that are kept packed give the same file as nbformat, and the same outputs to their reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from runbook_lib.execution.notebook.packed_outputs import PackedOutputs, notebook_pieces

if TYPE_CHECKING:
    from collections.abc import Callable

_make: dict[str, Callable[..., NotebookNode]] = {
    "code": new_code_cell,
    "markdown": new_markdown_cell,
    "raw": new_raw_cell,
    "notebook": new_notebook,
    "output": new_output,
}
_writes: Callable[[NotebookNode], str] = nbformat.writes

TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ['\n   "outputs": []', '\n "cells": []', "[]", "line\nline\r\nlast\u2028", "✓ \x1b[0m", ""]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BUNDLES = st.fixed_dictionaries(
    {},
    optional={
        "text/plain": TEXT,
        "text/html": TEXT,
        "image/svg+xml": TEXT,
        "application/json": JSON,
        "application/vnd.runbook.step.v1+json": JSON,
    },
)


def stream(text: str) -> NotebookNode:
    return _make["output"]("stream", name="stdout", text=text)


def display(data: dict[str, Any]) -> NotebookNode:
    return _make["output"]("display_data", data=data)


OUTPUTS = st.lists(TEXT.map(stream) | BUNDLES.map(display), max_size=4)


def notebook(sources: list[str], outputs: list[list[NotebookNode]]) -> NotebookNode:
    cells = [_make["markdown"]("# A heading"), _make["raw"]("")]
    for source, shown in zip(sources, outputs, strict=False):
        cells.append(_make["code"](source, outputs=shown, metadata={"outputs": [], "tags": ["outputs"]}))
    made = _make["notebook"](cells=cells)
    made.metadata.papermill = {"cells": [], "exception": None}
    return made


@given(sources=st.lists(TEXT, max_size=3), outputs=st.lists(OUTPUTS, max_size=3))
def test_the_file_is_what_nbformat_writes(sources: list[str], outputs: list[list[NotebookNode]]) -> None:
    made = notebook(sources, outputs)
    expected = _writes(made)
    assert b"".join(notebook_pieces(made)).decode() == expected
    for cell in made.cells:
        if "outputs" in cell:
            cell.outputs = PackedOutputs(cell.outputs)
    assert b"".join(notebook_pieces(made)).decode() == expected


@given(outputs=OUTPUTS)
def test_outputs_are_read_as_they_were(outputs: list[NotebookNode]) -> None:
    packed = PackedOutputs(outputs)
    assert [*packed] == outputs
    assert (len(packed), bool(packed), packed[:1]) == (len(outputs), bool(outputs), outputs[:1])
    assert [output.output_type for output in packed] == [output.output_type for output in outputs]


def test_an_empty_notebook_is_written_as_well() -> None:
    made = _make["notebook"]()
    assert b"".join(notebook_pieces(made)).decode() == _writes(made)


def test_packed_outputs_take_a_fraction_of_the_memory() -> None:
    data = {"hosts": [{"host": f"host-{n}", "status": "changed"} for n in range(1000)]}
    packed = PackedOutputs([display({"application/vnd.runbook.step.v1+json": data})])
    assert len(packed._packed) < len(json.dumps(data)) / 5  # noqa: SLF001 - the size is the point


def test_what_utf_8_cannot_express_is_replaced_packed_or_not() -> None:
    made = _make["notebook"]()
    for packed in (False, True):
        outputs = [stream("name\udcff"), display({"application/json": {"\ud800": ["\udfff"]}})]
        made.cells.append(_make["code"]())
        made.cells[-1].outputs = PackedOutputs(outputs) if packed else outputs
    written = json.loads(b"".join(notebook_pieces(made)))
    for cell in written["cells"]:
        assert "".join(cell["outputs"][0]["text"]) == "name\N{REPLACEMENT CHARACTER}"
        assert cell["outputs"][1]["data"]["application/json"] == {
            "\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}"]
        }
