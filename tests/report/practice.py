"""Small operations that really do something on this machine, for runs to report on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runbook_lib import Runbook
from runbook_lib.errors import StepFailed
from runbook_lib.model.commands import Command
from runbook_lib.model.plans import Change, Check, Plan
from runbook_lib.operations.base import Operation
from runbook_lib.parameters import Parameters
from tests.runbook.practice import Content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Fact, Facts

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


class Practice(Parameters):
    runbook: ClassVar[str] = "10_practice"
    title: ClassVar[str] = "Small real things"

    directory: str
    fail_on: str = ""
    wait: float = 0.0


@dataclass(frozen=True)
class FileHolds(Operation):
    path: str
    text: str

    def facts(self) -> Sequence[Fact[Any]]:
        return (Content(self.path),)

    def plan(self, facts: Facts) -> Plan:
        before = facts[Content(self.path)]
        if before == self.text:
            return Plan()
        command = Command(("tee", self.path), stdin=self.text, purpose="write the file")
        return Plan((command,), changes=(Change(self.path, before, self.text),))

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("content", self.text, facts[Content(self.path)])]


@dataclass(frozen=True)
class Says(Operation):
    """A command that runs each time; its exit code must be 0."""

    argv: tuple[str, ...]

    @property
    def verifiable(self) -> bool:
        return False

    def facts(self) -> Sequence[Fact[Any]]:
        return ()

    def plan(self, facts: Facts) -> Plan:  # noqa: ARG002 - always the command
        return Plan((Command(self.argv, purpose="say something"),))

    def verify(self, facts: Facts) -> list[Check]:  # noqa: ARG002 - another exit code failed before
        return [Check.equal("exit code", 0, 0)]


def greeting(directory: str, host: str) -> FileHolds:
    """A file per host."""
    return FileHolds(f"{directory}/{host}.txt", f"hello from {host}\nthis is a second line\n")


def loud(size: int = 100_000) -> Says:
    return Says(("sh", "-c", f"seq -w 1 {size // 6}"))


def evil() -> Says:
    return Says(("printf", "%s\\a\\033[31mred\\n", EVIL))


def failing(host: str, fail_on: str) -> Says:
    return Says(("sh", "-c", "echo it broke >&2; exit 3") if host == fail_on else ("true",))


def waiting(seconds: float) -> Says:
    return Says(("sleep", str(seconds)))


INVENTORY = """\
hosts:
  host-a: {connection: local, lab: practice, kind: container}
  host-b: {connection: local, lab: practice, kind: container}
groups:
  docker: [host-a, host-b]
"""


def parameters(directory: Path, **given: Any) -> Practice:  # noqa: ANN401 - any parameter
    """Parameters of a run whose files are all below `directory`."""
    (directory / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    return Practice.model_validate(
        {
            "inventory": str(directory / "inventory.yml"),
            "hosts": "all",
            "runs": str(directory / "runs"),
            "directory": str(directory),
            "on_failure": "continue",
            **given,
        }
    )


def run(parameters: Practice) -> Runbook:
    """Do what the notebook does, in plain Python; return the completed run."""
    book = Runbook.open(parameters)
    directory, fail_on = parameters.directory, parameters.fail_on
    book.step("Write a greeting", lambda host: greeting(directory, host.name))
    book.step("Say a lot", loud())
    book.step("Say <b>something</b> evil", evil())
    book.facts("Look again", Content(f"{directory}/host-a.txt"))
    book.step("Wait", waiting(parameters.wait))
    with contextlib.suppress(StepFailed):
        book.step("Fail where asked to", lambda host: failing(host.name, fail_on))
        book.step("Afterwards", waiting(0.0))
        book.close()
    return book
