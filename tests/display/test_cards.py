"""A card shows what a host has sent, whatever its form, and never ends a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.execution.project import TOP

if TYPE_CHECKING:
    from tests.ipython_kernel import Kernel

SHOW = """
import datetime as dt, sys
sys.path[:0] = [{top!r}]
from runbook_lib.display.cards import show_step
from runbook_lib.model.records import HostRecord, StepRecord
from runbook_lib.model.status import Mode, Status
now = dt.datetime.now(dt.UTC)
host = HostRecord(host="h1", address="h1", kind="machine", status=Status.OK, facts={facts})
show_step(StepRecord(number=1, title="Read", kind="facts", started=now, hosts=[host]), Mode.APPLY, "a run")
"""


def card(kernel: Kernel, facts: str) -> tuple[str, dict[str, Any]]:
    """The HTML of a card with these facts, without its style, and all that was published."""
    shown = kernel.execute(SHOW.format(top=str(TOP), facts=facts))
    assert [item for item in shown if item["msg_type"] == "error"] == []
    (data,) = [item["content"]["data"] for item in shown if item["msg_type"] == "display_data"]
    return re.sub(r"<style>.*?</style>", "", data["text/html"], flags=re.DOTALL), data


def rows(html: str) -> list[list[str]]:
    """The cells of the table inside of a fact."""
    table = html.partition('<div class="scroll"')[2].partition("</table>")[0]
    return [
        [cell.strip() for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in table.split("<tr>")[1:]
    ]


def test_the_cells_of_a_table_are_below_their_keys(kernel: Kernel) -> None:
    html, _ = card(
        kernel,
        "{'disks': [{'name': 'vda', 'size': 20}, {'size': 7, 'name': 'vdb'}, {'label': 'data', 'name': 'vdc'}]}",
    )
    assert rows(html) == [
        ["name", "size", "label"],
        ["vda", "20", ""],
        ["vdb", "7", ""],
        ["vdc", "", "data"],
    ]


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ("[{'id': 'x1'}, 'alone']", ["x1", "alone"]),
        ("['first', {'id': 'x1'}]", ["first", "x1"]),
        ("[{'id': 'x1'}, None, 7]", ["x1", "7"]),
        ("[['a1', {'id': 'x1'}], ['b2']]", ["a1", "x1", "b2"]),
        ("[{}, {}]", []),
        ("[]", []),
        ("{'a': [{'b': [{'c': 'deep'}]}]}", ["deep"]),
    ],
)
def test_a_list_of_anything_is_shown(kernel: Kernel, fact: str, shown: list[str]) -> None:
    html, _ = card(kernel, f"{{'mixed': {fact}}}")
    assert "mixed" in html
    for text in shown:
        assert text in html
    assert "&#39;" not in html  # no value as Python writes it


def test_a_card_that_cannot_be_drawn_is_shown_as_text_and_raises_nothing(kernel: Kernel) -> None:
    kernel.run("fact = 'end'\nfor _ in range(245): fact = {'<in>': fact}")
    html, data = card(kernel, "{'deep': fact}")
    assert "1. Read: ok" in data["text/plain"]
    assert html == f'<pre class="rb">{data["text/plain"]}</pre>'
