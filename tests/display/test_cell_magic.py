"""`%%on` and cards in a real kernel: what a cell shows, and that it is recorded like any other command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.records import StepRecord
from runbook_lib.model.status import Status
from tests.deadlines import deadline

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


def test_a_look_shows_its_exit_code_and_is_no_failure_in_any_mode(kernel: Kernel, tmp_path: Path) -> None:
    for mode in ("apply", "plan", "validate"):
        begin(kernel, tmp_path, mode=mode)
        shown = kernel.execute("%%look host-a\necho seen; false; echo further; exit 3")
        (card,) = cards(shown)
        (host,) = card.hosts
        (command,) = host.commands
        assert (card.kind, host.status, host.message) == ("shell", Status.OK, "exit code 3")
        assert (command.kind, command.exit_code, command.stdout.head) == ("shell", 3, "seen\nfurther\n")
        (html,) = [
            item["content"]["data"]["text/html"] for item in shown if item["msg_type"] == "display_data"
        ]
        assert "<details open><summary>look " in html, "the output is open"
        kernel.run("assert book.close().status == 'ok'")


def test_a_host_that_failed_can_be_looked_at(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path, on_failure="continue")
    kernel.run("failed = book.step('Fail', Does(('false',)), hosts='host-a')")
    assert cards(kernel.execute("%%on host-a\ntrue"))[0].status is Status.SKIPPED
    (card,) = cards(kernel.execute("%%look host-a\necho here"))
    assert (card.status, card.hosts[0].commands[0].stdout.head) == (Status.OK, "here\n")


@pytest.mark.parametrize("magic", ["%%on", "%%look"])
def test_what_destroys_is_refused_where_nobody_answers(magic: str, kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path, hosts="host-a")
    kept = tmp_path / "kept"
    kept.mkdir()
    refused = kernel.fail(f"{magic} host-a\nls; rm -rf {kept}")
    assert f"{magic} host-a: `rm -rf {kept}` destroys something" in refused
    assert "hint: " in refused
    assert kept.exists()
    assert "was refused" in kernel.fail("book.close()"), (
        "a program may go on after the error: the run has failed"
    )
    begin(kernel, tmp_path, hosts="host-a")
    kernel.run(f"%%on --yes host-a\nrm -rf {kept}")
    assert not kept.exists()
    kernel.run("book.close()")


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("maybe", False)])
def test_what_destroys_is_asked_back(kernel: Kernel, tmp_path: Path, answer: str, *, sent: bool) -> None:
    begin(kernel, tmp_path, hosts="host-a")
    kept = tmp_path / "kept"
    kept.mkdir()
    questions: list[str] = []

    def ask(message: dict[str, Any]) -> None:
        questions.append(message["content"]["prompt"])
        kernel.client.input(answer)

    kernel.client.execute_interactive(
        f"%%on host-a\nrm -r {kept}",
        allow_stdin=True,
        stdin_hook=ask,
        output_hook=lambda _: None,
        timeout=deadline(60),
    )
    assert (
        questions[0]
        == f"%%on host-a: `rm -r {kept}` destroys something or cuts the host off. Send it? [y/n] "
    )
    assert kept.exists() is not sent


TASK = """
book.task("Make the file", check=Holds({place!r}, ""),
          hints=["It is a <b>file</b>.", "touch makes one."], solution="touch it")
"""


def panel(shown: list[dict[str, Any]]) -> dict[str, str]:
    """What a task shows below its card."""
    found: dict[str, str] = [item["content"]["data"] for item in shown if item["msg_type"] == "display_data"][
        -1
    ]
    return found


def test_a_task_gives_one_hint_more_each_time_and_counts_what_is_done_by_hand(
    kernel: Kernel, tmp_path: Path
) -> None:
    begin(kernel, tmp_path, hosts="host-a")
    task = TASK.format(place=str(tmp_path / "made"))
    for hints, solution in ((1, False), (2, False), (2, True)):
        shown = kernel.execute(task)
        (card,) = cards(shown)
        (host,) = card.hosts
        assert host.status is Status.SKIPPED
        assert host.message.startswith("not solved yet: ")
        assert (host.checks[-1].id, host.checks[-1].holds) == ("task.solved", False)
        text = panel(shown)["text/plain"]
        assert text.startswith("Not solved yet: Make the file\n  host-a: ")
        assert (text.count("  hint "), "solution: touch it" in text) == (hints, solution)
        assert "&lt;b&gt;file" in panel(shown)["text/html"]
    (tmp_path / "made").touch()  # by hand, in a shell
    shown = kernel.execute(task)
    assert cards(shown)[0].status is Status.OK
    assert panel(shown)["text/plain"] == "Solved: Make the file (after 4 tries)"
    assert "Hint" not in panel(shown)["text/html"]
    kernel.run("assert book.close().status == 'ok'")


def test_a_task_that_is_not_solved_fails_a_validation_only(kernel: Kernel, tmp_path: Path) -> None:
    task = TASK.format(place=str(tmp_path / "made"))
    for mode, status in (("plan", Status.SKIPPED), ("validate", Status.FAILED)):
        begin(kernel, tmp_path, hosts="host-a", mode=mode, on_failure="continue")
        assert cards(kernel.execute(task))[0].status is status
    assert "is not an operation" in kernel.fail("book.task('Do it', check=3)")
    assert "nothing shows whether the task is solved" in kernel.fail(
        "from runbook_lib.operations.shell import Script\nbook.task('Do it', check=Script('true'))"
    )
    assert "is not a list of texts" in kernel.fail("book.task('Do it', check=Holds('/', ''), hints='one')")


def test_a_task_also_checks_a_host_that_failed(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path, on_failure="continue")
    kernel.run("failed = book.step('Fail', Does(('false',)), hosts='host-a')")
    (tmp_path / "made").touch()
    (card,) = cards(kernel.execute(TASK.format(place=str(tmp_path / "made"))))
    assert [(host.host, host.status) for host in card.hosts] == [("host-a", "ok"), ("host-b", "ok")]


def test_hosts_are_completed_and_the_help_says_what_differs(kernel: Kernel, tmp_path: Path) -> None:
    begin(kernel, tmp_path)
    assert kernel.complete("%%look ho") == ["host-a", "host-b"]
    assert {"host-a", "host-b"} <= set(kernel.complete("%%on host-a,host-"))
    assert "No exit code is a failure" in kernel.help("%%look?")
    assert "stops at the first command that fails" in kernel.help("%%on?")
    assert "%%look: no host is named" in kernel.fail("%%look\nuptime")
