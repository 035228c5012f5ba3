"""What the terminal says of a host whose checks do not hold."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.cli.run_progress import Progress, _Line
from runbook_lib.connections.remote_shell import sudo_text
from runbook_lib.model.plans import Check
from runbook_lib.model.status import Status
from runbook_lib.printing.console import FilteredConsole
from runbook_lib.runbook.steps.run_status import describe_unmet

if TYPE_CHECKING:
    from collections.abc import Sequence

HOLDS = Check.equal("address of br0", "192.0.2.1/24", "192.0.2.1/24")
BRIDGE = Check.equal("bridge of em1", "br0", "no bridge")
FORWARD = Check.equal("packets are forwarded", "1", "0")
TWO_LINES = Check.equal("content", "right", "wrong\n::error::forged")


def shown(checks: Sequence[Check], message: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    progress = Progress(spins=False)
    progress.report({"event": "step_started", "step": 1, "title": "The cause"})
    ended: dict[str, Any] = {
        "event": "host_ended",
        "step": 1,
        "host": "host-a",
        "status": Status.FAILED,
        "message": message,
        "checks": [vars(check) for check in checks],
    }
    progress.report(ended)
    return [line.strip() for line in capsys.readouterr().out.splitlines()][1:]


@pytest.mark.parametrize("before", ["", "the connection was lost and made again; "])
@pytest.mark.parametrize("after", ["", "; see the journal"])
def test_each_of_several_checks_has_a_line_of_its_own(
    before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [HOLDS, BRIDGE, FORWARD]
    lines = shown(checks, f"{before}{describe_unmet(checks)}{after}", capsys)
    assert lines == [
        *([before[:-2]] if before else []),
        "✗ bridge of em1: expected br0, observed no bridge",
        "✗ packets are forwarded: expected 1, observed 0",
        *([after[2:]] if after else []),
    ]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([HOLDS, BRIDGE], describe_unmet([BRIDGE])),
        ([BRIDGE, FORWARD], "the Docker engine does not answer"),
        ([HOLDS], "`false` exited with 1"),
        ([], "no route to host"),
    ],
)
def test_any_other_message_stays_as_it_is(
    checks: list[Check], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(checks, message, capsys) == [message]


def test_a_line_of_a_host_s_text_never_looks_like_one_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [BRIDGE, TWO_LINES]
    lines = shown(checks, describe_unmet(checks), capsys)
    assert lines[1:] == ["✗ content: expected right, observed wrong", "| ::error::forged"]


def test_the_line_of_a_running_command_begins_with_its_purpose_and_has_the_command_itself() -> None:
    sent = sudo_text(("apt-get", "update"), password=False)
    line = _Line("1. Install", "host-a", "update the lists", sent)
    assert str(line.__rich__()).endswith(": update the lists: as root: apt-get update")


def reported(progress: Progress, *statuses: Status, message: str = "") -> None:
    """Report a run with a step of each status."""
    progress.report({"event": "run_started", "runbook": "r", "mode": "apply", "hosts": ["host-a"]})
    for step, status in enumerate(statuses, start=1):
        progress.report({"event": "step_started", "step": step, "title": f"Step {step}"})
        ended = {"host": "host-a", "status": status, "message": message, "checks": []}
        progress.report({"event": "host_ended", "step": step, **ended})
        progress.report({"event": "step_ended", "step": step, "status": status})
    progress.report({"event": "run_ended", "status": statuses[0], "steps": len(statuses)})


def test_the_last_line_counts_the_steps_of_each_status(capsys: pytest.CaptureFixture[str]) -> None:
    reported(Progress(spins=False), Status.OK, Status.SKIPPED, Status.OK)
    assert capsys.readouterr().out.splitlines()[-1] == "  ✓ ok, 3 steps: 2 ok, 1 skipped"
    reported(Progress(spins=False), Status.OK, Status.OK)
    assert capsys.readouterr().out.splitlines()[-1] == "  ✓ ok, 2 steps"


def test_columns_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    reported(Progress(spins=False), Status.OK)
    _, names, row, _ = capsys.readouterr().out.splitlines()
    for name, value in (("step", "1."), ("outcome", "✓ ok"), ("host", "host-a"), ("title", "Step 1")):
        assert 0 <= row.index(value) - names.index(name) <= 2
    assert names.index("elapsed") < row.index(" s ")


def test_a_long_line_is_broken_between_words_and_indented() -> None:
    output = io.StringIO()
    console = FilteredConsole(file=output, force_terminal=True, color_system=None, width=60, soft_wrap=True)
    path = "/a/long/path" * 8
    reported(
        Progress(console, spins=False), Status.FAILED, message=f"{'word ' * 20}{path} `run it again` end"
    )
    lines = output.getvalue().splitlines()
    begin = next(number for number, line in enumerate(lines) if "word" in line)
    message = lines[begin:-1]
    assert message[0].startswith(f"{' ' * 13}word")
    assert all(line.startswith(" " * 15) for line in message[1:])
    assert all(len(line) <= 60 for line in message if path not in line)
    assert [line.strip() for line in message if path in line] == [path]  # in one piece: it can be copied
    assert any("`run it again`" in line for line in message)
