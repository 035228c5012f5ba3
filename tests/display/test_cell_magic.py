"""`%%on` and cards in a real kernel: what a cell shows, and that it is recorded like any other command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.records import StepRecord
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from tests.ipython_kernel import Kernel

TOP = Path(__file__).parents[2]


def begin(kernel: Kernel, place: Path, **given: str) -> None:
    kernel.run(
        f"""
import sys
sys.path.insert(0, {str(TOP)!r})
from pathlib import Path
from runbook_lib import Runbook
from tests.runbook.practice import Does, Holds, parameters
book = Runbook.open(parameters(Path({str(place)!r}), **{given!r}))
"""
    )


def cards(shown: list[dict[str, Any]]) -> list[StepRecord]:
    """The steps' records as data, as a notebook keeps them."""
    found = [item["content"]["data"] for item in shown if item["msg_type"] == "display_data"]
    own = StepRecord.model_fields
    return [
        StepRecord.model_validate({name: value for name, value in data[STEP_MIME].items() if name in own})
        for data in found
        if STEP_MIME in data
    ]


def test_a_cell_runs_as_shell_on_a_host_and_is_recorded(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    (card,) = cards(kernel.execute(f"%%on host-b\necho 'it is' $((6 * 7))\ntouch {tmp_path}/done"))
    (host,) = card.hosts
    assert (host.host, host.status, card.kind) == ("host-b", Status.CHANGED, "shell")
    assert host.commands[0].stdout.head == "it is 42\n"
    assert (tmp_path / "done").exists()
    kernel.run("book.close()")
    (directory,) = (tmp_path / "runs").iterdir()
    record = read_journal(directory)
    assert record.status is Status.CHANGED
    assert record.steps == [card]
    assert f"touch {tmp_path}/done" in record.steps[0].hosts[0].commands[0].text


def test_a_cell_that_fails_shows_its_card_and_one_clear_message(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    shown = kernel.execute("%%on all\necho begun\nfalse\necho never")
    (card,) = cards(shown)
    assert [host.status for host in card.hosts] == [Status.FAILED, Status.FAILED]
    assert card.hosts[0].commands[0].stdout.head == "begun\n"
    (error,) = [item["content"] for item in shown if item["msg_type"] == "error"]
    assert error["ename"] == "StepFailed"
    assert "runbook_lib/" not in "\n".join(error["traceback"])


def test_in_mode_plan_a_cell_is_only_shown(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path, mode="plan")
    (card,) = cards(kernel.execute(f"%%on all\ntouch {tmp_path}/never"))
    assert card.status is Status.PLANNED
    assert not (tmp_path / "never").exists()
    kernel.run("book.close()")


def test_an_unknown_host_is_refused_by_name(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    assert "unknown host or group 'host-z'" in kernel.fail("%%on host-z\ntrue")


def test_a_card_is_self_contained_and_takes_no_markup_from_outputs(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path, hosts="host-a")
    shown = kernel.execute("book.step('<b>Title</b>', Does(('echo', '<script>alert(1)</script>')))")
    (html,) = [
        item["content"]["data"]["text/html"]
        for item in shown
        if item["msg_type"] == "display_data" and STEP_MIME in item["content"]["data"]
    ]
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>Title</b>" not in html
    assert not [item for item in shown if item["msg_type"] == "execute_result"]
    kernel.run("book.close()")
