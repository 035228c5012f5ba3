"""Operations inside of transactions, and what the records of transactions say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Check, Plan
from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from tests.runbook.practice import Holds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib import Runbook
    from runbook_lib.facts.base import Fact, Facts
    from runbook_lib.model.records import HostRecord, StepRecord

ROLLBACK = "Roll back: rotate"


@dataclass(frozen=True)
class Logs(Holds):
    """A file holds a text; its rollback writes a line to a log, and another one at the end."""

    log: str = ""

    def plan(self, facts: Facts) -> Plan:
        plan = super().plan(facts)
        if not plan.commands:
            return plan
        name = self.path.rpartition("/")[2]
        line = Command(("sh", "-c", f"echo undo {name} >> {self.log}"))
        last = Command(("sh", "-c", f"echo reload {name} >> {self.log}"))
        return replace(plan, rollback=(line, plan.rollback[-1]), after_rollback=(last,))


@dataclass(frozen=True)
class Stuck(Holds):
    """A file holds a text; its rollback succeeds, and restores nothing."""

    def plan(self, facts: Facts) -> Plan:
        plan = super().plan(facts)
        return replace(plan, rollback=(Command(("true",)),)) if plan.commands else plan


@dataclass(frozen=True)
class Reads(Holds):
    """A file holds a text, which is only checked."""

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - nothing is changed
        return Plan()


@dataclass(frozen=True)
class Reloads(Holds):
    """A service takes up a file: the command that does so changes nothing that could be restored."""

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - each time
        reload = Command(("cp", self.path, f"{self.path}.loaded"))
        return Plan((reload,), after_rollback=(reload,))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - the exit code is the check
        return [Check.equal("reloaded", "yes", "yes")]

    @property
    def verifiable(self) -> bool:
        return False


def file_of(place: Path, name: str, text: str = "new\n", **how: Any) -> Any:  # noqa: ANN401 - a function
    """The desired state: a file of the host, in `place`, holds a text."""
    return lambda host: Holds(str(place / f"{host.name}.{name}"), text, **how)


def fails_on(*names: str) -> Any:  # noqa: ANN401 - a function
    """A file that is not there: an operation that changes nothing and whose check fails on some hosts."""
    return lambda host: Reads("/dev/null", "never" if host.name in names else "")


def steps_of(book: Runbook) -> dict[str, StepRecord]:
    return {step.title: step for step in book.record.steps}


def rollback_on(book: Runbook, name: str = "host-a") -> HostRecord:
    return next(host for host in steps_of(book)[ROLLBACK].hosts if host.host == name)


def ends_of(book: Runbook) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = read_lines((book.directory / "journal.jsonl").read_bytes()).entries
    return [entry for entry in entries if entry["event"] == "transaction_ended"]


def files(place: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(place.glob("host-*"))}


def assert_never_green(book: Runbook) -> None:
    record = read_journal(book.directory)
    assert record == book.record
    assert record.incomplete == ""
    assert not record.status.is_success
    assert judged_record(book.directory).status is record.status
    xml = junit([record]).decode()
    assert "<failure" in xml or "<error" in xml
    for text in (xml, page([record], "Report"), markdown([record], "Report")):
        assert ROLLBACK in text
