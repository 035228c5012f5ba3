"""In which order the facts of a step are requested over SSH."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import yaml

from runbook_lib import Runbook
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from tests.runbook.practice import Content, Practice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connections.sshd import Server


@dataclass(frozen=True)
class Removed(Fact[bool]):
    """An answer that comes when what the other facts show has changed: as of a revert that ends meanwhile."""

    path: str

    awaited: ClassVar[bool] = True

    def request(self) -> Command:
        return Command(("sh", "-c", 'sleep 0.3; rm "$1"', "sh", self.path))

    def parse(self, output: Output) -> bool:
        return output.exit_code == 0


def test_facts_after_an_awaited_one_are_requested_when_its_answer_is_there_and_then_together(
    server: Server, tmp_path: Path
) -> None:
    host = server.host().model_dump(exclude_defaults=True, exclude={"name"})
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"hosts": {"host-a": host}}), encoding="utf-8")
    file, other, slow = tmp_path / "file", tmp_path / "other", tmp_path / "slow"
    for path in (file, other, slow):
        path.write_text(path.name, encoding="utf-8")
    book = Runbook.open(
        Practice.model_validate(
            {"inventory": str(tmp_path / "inventory.yml"), "hosts": "host-a", "runs": str(tmp_path / "runs")}
        )
    )
    found = book.facts(
        "Look", Content(str(slow)), Removed(str(file)), Content(str(file)), Content(str(other))
    )
    book.close()
    facts = found.hosts[0].facts
    assert (facts[f"Removed({file})"], facts[f"Content({file})"]) == (True, None)
    assert facts[f"Content({other})"] == "other"
    events = [json.loads(line) for line in (book.directory / "journal.jsonl").read_bytes().splitlines()]
    order = [event["event"] for event in events if event["event"].startswith("command_")]
    started, ended = "command_started", "command_ended"
    assert order == [started, started, ended, ended] * 2
