"""A change whose checks did not finish is not left in place, as long as the host can be reached; the record says so."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted, NotApplicable, ParameterError, RunbookError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.status import Status
from tests.deadlines import wait_until
from tests.runbook.practice import Holds, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Facts
    from runbook_lib.model.plans import Check
    from tests.connections.sshd import Server


@dataclass(frozen=True)
class Defective(Holds):
    """Its checks end in an error once the file is written."""

    error: type[Exception] = ValueError

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - never gets that far
        raise self.error("192.168.0.0/33")


@dataclass(frozen=True)
class Wrongly(Fact[int]):
    """A file's text, which is parsed without care."""

    path: str

    def request(self) -> Command:
        return Command(("cat", self.path))

    def parse(self, output: Output) -> int:
        return {"before\n": 1}[output.stdout]


@dataclass(frozen=True)
class Careless(Holds):
    """It has a fact whose parser ends in an error once the file is written."""

    def facts(self) -> Sequence[Fact[Any]]:
        return (*super().facts(), Wrongly(self.path))


def ctrl_c_once(exists: Path) -> threading.Thread:
    """Press Ctrl-C in this process once a file exists."""
    main = threading.get_ident()

    def press() -> None:
        wait_until(exists.exists, str(exists))
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def kinds(book: Runbook) -> list[str]:
    return [command.kind for command in book.record.steps[0].hosts[0].commands]


def test_an_interrupt_during_the_checks_rolls_the_change_back(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    written = tmp_path / "written"
    change = Holds(str(target), "wanted", written="other", then=("touch", str(written)), settle_within=600.0)
    presser = ctrl_c_once(written)
    with pytest.raises(Interrupted):
        book.step("Change", change)
    presser.join()
    (host,) = book.record.steps[0].hosts
    assert host.status is Status.INTERRUPTED
    assert "; the change was rolled back" in host.message
    assert kinds(book)[-2:] == ["rollback", "rollback"]
    assert target.read_text(encoding="utf-8") == "before\n"
    record = read_journal(book.directory)
    assert record == book.record
    assert (record.status, record.incomplete) == (Status.INTERRUPTED, "")


def test_an_interrupt_during_the_change_rolls_back_what_was_done(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    begun = tmp_path / "begun"
    change = Holds(str(target), "after\n", then=("sh", "-c", f"touch {begun}; exec sleep 600"))
    presser = ctrl_c_once(begun)
    with pytest.raises(Interrupted):
        book.step("Change", change)
    presser.join()
    assert "; the change was rolled back" in book.record.steps[0].hosts[0].message
    assert target.read_text(encoding="utf-8") == "before\n"


def test_an_interrupt_does_not_cut_a_rollback_short(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    undoing = tmp_path / "undoing"
    undo = ("sh", "-c", f"touch {undoing}; sleep 7")  # longer than a command gets after an interrupt
    presser = ctrl_c_once(undoing)
    with pytest.raises(Interrupted):
        book.step("Change", Holds(str(target), "after\n", then=("false",), undo=undo))
    presser.join()
    (host,) = book.record.steps[0].hosts
    assert host.status is Status.FAILED
    assert "; the change was rolled back" in host.message
    assert target.read_text(encoding="utf-8") == "before\n"
    assert book.record.status is Status.INTERRUPTED


def test_an_interrupt_before_the_first_command_rolls_nothing_back(tmp_path: Path) -> None:
    target = tmp_path / "a"
    book = Runbook.open(parameters(tmp_path, hosts="host-a", step_timeout=0.000001))
    with pytest.raises(StepFailed):
        book.step("Change", Holds(str(target), "after\n"))
    assert "rolled back" not in book.record.steps[0].hosts[0].message
    assert "rollback" not in kinds(book)


@pytest.mark.parametrize("stays_away", [False, True])
def test_a_connection_lost_during_the_checks_is_made_again_for_the_rollback(
    server: Server,
    tmp_path: Path,
    stays_away: bool,  # noqa: FBT001 - a case
) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    fields = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-a": fields}}), encoding="utf-8")
    book = Runbook.open(parameters(tmp_path))
    checked = tmp_path / "checked"
    # The checks need a file that is a pipe which nobody writes to: they wait until the connection is cut.
    change = Holds(
        str(target),
        "wanted",
        written="other",
        then=("sh", "-c", f"rm {target}; mkfifo {target}; touch {checked}"),
        undo=("rm", "-f", str(target)),
    )

    def cut() -> None:
        wait_until(checked.exists, "the change")
        wait_until(lambda: any(reads(pid, target) for pid in server.children()), "the checks")
        if stays_away:
            server.stop()
        else:
            server.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(StepFailed):
        book.step("Change", change)
    cutter.join()
    (host,) = book.record.steps[0].hosts
    assert host.status is Status.UNREACHABLE
    if stays_away:
        server.start()
        assert "; ROLLBACK FAILED: check the host now: " in host.message
    else:
        assert "; the change was rolled back" in host.message
        assert kinds(book)[-2:] == ["rollback", "rollback"]
    assert read_journal(book.directory) == book.record


def reads(pid: int, path: Path) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - not a path of the test's own
            return file.read().startswith(b"cat\0" + os.fsencode(path))
    except OSError:
        return False


def test_a_deadline_during_the_checks_rolls_back_within_the_grace_period(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a", step_timeout=3.0))
    before = time.monotonic()
    with pytest.raises(StepFailed, match="the step_timeout of 3 s has passed"):
        book.step("Change", Holds(str(target), "wanted", written="other", settle_within=600.0))
    assert time.monotonic() - before < 60
    assert "; the change was rolled back" in book.record.steps[0].hosts[0].message
    assert target.read_text(encoding="utf-8") == "before\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Defective, "internal error in step: ValueError: 192.168.0.0/33"),
        (functools.partial(Defective, error=ParameterError), "192.168.0.0/33"),
        (functools.partial(Defective, error=RunbookError), "192.168.0.0/33"),
        (functools.partial(Defective, error=NotApplicable), "192.168.0.0/33"),
        (Careless, "internal error in step: KeyError: 'after\\n'"),
    ],
    ids=["defect", "parameter", "other", "not_applicable", "parser"],
)
@pytest.mark.parametrize("undo", ["true", "false"])
def test_an_error_in_the_checks_rolls_the_change_back(
    tmp_path: Path, change: Callable[..., Holds], message: str, undo: str
) -> None:
    target = tmp_path / "a"
    target.write_text("before\n", encoding="utf-8")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed):
        book.step("Change", change(str(target), "after\n", undo=(undo,)))
    (host,) = book.record.steps[0].hosts
    outcome = "the change was rolled back" if undo == "true" else "ROLLBACK FAILED: check the host now: "
    assert host.status is Status.FAILED
    assert host.message.startswith(f"{message}; {outcome}")
    assert kinds(book)[-2:] == ["rollback", "rollback"]
    assert target.read_text(encoding="utf-8") == "before\n"
    assert read_journal(book.directory) == book.record
