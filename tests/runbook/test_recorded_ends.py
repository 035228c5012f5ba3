"""The end of a run is recorded whatever a host has sent, and tried again if it cannot be written."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import EvidenceError, SecretError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.facts.base import Fact
from runbook_lib.model.commands import Command, Output
from runbook_lib.model.plans import Check
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Probe
from runbook_lib.report.formats import default_target, format_names, load_format
from runbook_lib.secrets import Secrets
from tests.runbook.practice import Does, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runbook_lib.facts.base import Facts

REPLACED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Label(Fact[str]):
    """A text that a host sends as JSON."""

    sent: str

    def request(self) -> Command:
        return Command(("printf", "%s", self.sent))

    def parse(self, output: Output) -> str:
        return str(json.loads(output.stdout)["label"])


@dataclass(frozen=True)
class Labelled(Probe):
    sent: str

    def facts(self) -> Sequence[Fact[Any]]:
        return (Label(self.sent),)

    def verify(self, facts: Facts) -> list[Check]:
        return [Check.equal("label", "good", facts[Label(self.sent)])]


def test_an_end_that_cannot_be_recorded_is_tried_again_and_no_step_follows(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Fine", Does(("true",)))
    size = (book.directory / "journal.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # no further line fits
    try:
        for _ in range(2):
            with pytest.raises(EvidenceError, match="File too large"):
                book.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(EvidenceError, match="its end is not in the journal: it gets no further steps"):
        book.step("Late", Does(("true",)))
    assert read_journal(book.directory).status is Status.UNKNOWN
    assert book.close().status is Status.CHANGED
    record = read_journal(book.directory)
    assert (record, record.incomplete) == (book.record, "")


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\udce9"])
def test_half_a_character_from_a_host_is_recorded(tmp_path: Path, half: str) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a", on_failure="continue"))
    sent = f'{{"label": "caf{half}"}}'
    book.facts("Read", Label(sent))
    with pytest.raises(StepFailed):
        book.step("Check", Labelled(sent))
    (host,) = read_journal(book.directory).steps[1].hosts
    assert (host.status, host.checks[0].observed) == (Status.FAILED, f"caf{REPLACED}")


@pytest.mark.parametrize("name", format_names())
def test_half_a_character_in_a_record_does_not_prevent_a_report(tmp_path: Path, name: str) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Fine", Does(("true",)))
    record = book.close()
    (host,) = record.steps[0].hosts
    text = "caf\udce9 \ud800"
    check = Check.equal(text, text, text)
    host = host.model_copy(update={"message": text, "checks": [check], "status": Status.FAILED})
    step = record.steps[0].model_copy(update={"title": text, "hosts": [host]})
    made = load_format(name)
    halved = record.model_copy(update={"steps": [step], "title": text, "message": text})
    assert made.write([halved], text, default_target(made, tmp_path))


def test_a_secret_that_is_not_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_TEXT", "pass\udce9word")
    with pytest.raises(SecretError, match="the value is not UTF-8 text") as refused:
        Secrets().resolve("${env:NOT_TEXT}")
    assert "word" not in str(refused.value)


def test_an_argument_that_is_not_utf_8_is_recorded_as_what_a_shell_can_be_given(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    name = tmp_path / os.fsdecode(b"caf\xe9")
    book.step("Touched", Does(("touch", str(name))))
    book.close()
    assert name.exists()
    (step,) = read_journal(book.directory).steps
    text = f"touch \"$(printf '{tmp_path}/caf\\351')\""
    assert [command.text for host in step.hosts for command in host.commands if command.kind == "change"] == [
        text
    ]
    name.unlink()
    subprocess.run(["sh", "-c", text], check=True)
    assert name.exists()


def test_a_command_that_no_host_can_be_sent_fails_its_step_in_words(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(StepFailed, match="argument 1 of `cat` has a NUL character"):
        book.step("Read", Does(("cat", "a\0b")))
