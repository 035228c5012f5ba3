"""A card shows what a host has sent, whatever its form, and never ends a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.report.html import read_asset
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


COMMANDS = """
import datetime as dt, sys
sys.path[:0] = [{top!r}]
from runbook_lib.connections.remote_shell import sudo_text
from runbook_lib.display.cards import show_step
from runbook_lib.model.plans import Check
from runbook_lib.model.records import CommandRecord, HostRecord, StepRecord
from runbook_lib.model.status import Mode, Status
now = dt.datetime.now(dt.UTC)
def command(kind, *argv, purpose=""):
    text = sudo_text(argv, password=False)
    return CommandRecord(
        number=1, kind=kind, text=text, started=now, exit_code=0, accepted=True, purpose=purpose
    )
commands = [
    command("guard", "systemd-run", "--on-active=60", "revert"),
    command("change", "apt-get", "update", purpose="update the package lists"),
    command("rollback", "sh", "-c", ""),
]
checks = [Check.equal("starts at boot", True, False), Check.equal("active", True, True)]
host = HostRecord(host="h1", address="h1", kind="machine", status=Status.OK, commands=commands, checks=checks)
show_step(StepRecord(number=1, title="Change", started=now, hosts=[host]), Mode.APPLY, "a run")
"""


def test_a_card_shows_the_commands_themselves_their_purposes_first_and_marks_the_guards(
    kernel: Kernel,
) -> None:
    shown = kernel.execute(COMMANDS.format(top=str(TOP)))
    (data,) = [item["content"]["data"] for item in shown if item["msg_type"] == "display_data"]
    summaries = [
        re.sub(r"<[^>]*>", "", found)
        for found in re.findall(r"<details><summary>(.*?)</summary>", data["text/html"])
    ]
    assert summaries == [
        "systemd-run --on-active=60 revert as root, exit 0, guard",
        "update the package lists: apt-get update as root, exit 0",
        "sh -c &#39;&#39; as root, exit 0, rollback",
    ]
    opened = re.findall(r'<pre class="cmd">(.*?)</pre>', data["text/html"])
    assert all(text.startswith("sudo -n -- sh -c ") for text in opened)  # the record's exact text
    assert data["text/html"].count("So the record shows whether sudo ran the command.") == len(opened)


def test_a_card_says_in_words_whether_a_check_passed(kernel: Kernel) -> None:
    shown = kernel.execute(COMMANDS.format(top=str(TOP)))
    (data,) = [item["content"]["data"] for item in shown if item["msg_type"] == "display_data"]
    assert "<td>yes</td><td>no</td><td><b>✗ no</b></td>" in data["text/html"]
    assert "<td>yes</td><td>yes</td><td>✓ yes</td>" in data["text/html"]


def test_ok_changed_planned_and_failed_have_the_colours_of_the_report(kernel: Kernel) -> None:
    _, data = card(kernel, "{}")
    style = read_asset("style.css")
    for status in ("ok", "changed", "planned", "skipped", "failed"):
        (colour,) = re.findall(rf"--{status}: (#\w+)", style.partition("@media")[0])
        assert re.search(rf"\.rb\.{status}\b[^}}]*\{{--st:{colour}\}}", data["text/html"]), status
