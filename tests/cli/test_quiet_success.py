"""For pipes and cron jobs: after a success nothing is on standard error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import pytest

from runbook_lib.cli.main import cli
from tests.deadlines import deadline
from tests.execution.fleet.project import BOOKS, TOP, Project
from tests.programs import Programs

if TYPE_CHECKING:
    from pathlib import Path

_OTHERWISE = {
    "demo",
    "learn",
    "lab up",
    "lab down",
    "lab shell",
    "lab break",
    "lab repair",
    "lab reset",
}  # need a lab


@dataclass(frozen=True)
class Audited:
    """A project with two runs: one signed at its end, one never sealed."""

    top: Path
    signed: str
    unsealed: str

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Carry a command line out as a user would, the run's names put in."""
        names = {"SIGNED": self.signed, "UNSEALED": self.unsealed}
        command = [sys.executable, "-m", "runbook_lib.cli.main", *(names.get(word, word) for word in words)]
        return subprocess.run(
            command,
            cwd=self.top,
            env={**os.environ, "PYTHONPATH": str(TOP)},
            capture_output=True,
            text=True,
            timeout=deadline(120),
            check=False,
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    project = Project(tmp_path_factory.mktemp("quiet"), Programs())
    for name in BOOKS:
        project.write(name)
    project.hosts(host_a={"connection": "local"}, host_b={"connection": "local"})
    audited = Audited(project.top, "", "")
    for key in ("operator", "reviewer"):
        assert_quiet(audited.call("audit", "keygen", key))
    assert_quiet(audited.call("run", "10_first", "15_other", "--sign-key", "operator", "--jobs", "2"))
    found = {record.runbook: record.run for record in project.records()}
    (project.runs / found["15_other"] / "attestation.json").unlink()
    (project.top / "policy.yml").write_text("rules: {secret-in-output: {}}\n", encoding="utf-8")
    (project.top / "trust").mkdir()
    for key in ("operator", "reviewer"):
        shutil.copy(project.top / f"{key}.pub", project.top / "trust")
    return Audited(project.top, found["10_first"], found["15_other"])


def assert_quiet(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


CALLS = [
    ("list",),
    ("progress", "runs"),
    ("show", "20_second"),
    ("run", "20_second", "--mode", "plan"),
    ("run", "30_third", "--kernels", "cold"),
    ("report", "SIGNED"),
    ("report", "SIGNED", "--format", "junit"),
    ("report", "SIGNED", "--format", "markdown"),
    ("report", "SIGNED", "--format", "csv"),
    ("report", "SIGNED", "--format", "parquet"),
    ("new", "own-book", "--directory", "own-book"),
    ("lint", str(TOP / "notebooks")),
    ("doctor",),
    ("lab", "status", "--name", "never-up"),
    ("audit", "verify", "SIGNED", "--trust", "trust", "--approved", "notebooks"),
    ("audit", "keygen", "another"),
    ("audit", "seal", "UNSEALED", "--key", "operator"),
    ("audit", "countersign", "SIGNED", "--key", "reviewer", "--trust", "trust", "--approved", "notebooks"),
    ("audit", "list"),
    ("audit", "list", "--format", "json"),
    ("audit", "show", "SIGNED"),
    ("audit", "query", "SELECT count(*) FROM commands"),
    ("audit", "diff", "SIGNED", "UNSEALED"),
    ("audit", "scan", "--policy", "policy.yml"),
    ("audit", "html", "site"),
]


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_a_success_says_nothing_on_standard_error(words: tuple[str, ...], made: Audited) -> None:
    done = made.call(*words)
    if words == ("doctor",):  # its code says what this machine lacks
        assert done.stdout
        assert done.stderr == ""
        return
    assert_quiet(done)


def test_every_verb_is_among_them() -> None:
    assert {" ".join(verb) for verb in verbs(cli, ())} - _OTHERWISE == {
        " ".join(words[: 2 if words[0] in {"audit", "lab"} else 1]) for words in CALLS
    }


def verbs(command: click.Command, name: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [name]
    context = click.Context(command)
    found = []
    for word in command.list_commands(context):
        inner = command.get_command(context, word)
        assert inner
        found += verbs(inner, (*name, word))
    return found
