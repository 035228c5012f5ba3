"""What has to be listed in a second place is listed there, so that nobody has to know the second place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runbook_lib import Parameters
from runbook_lib.audit.rules import registry as rules
from runbook_lib.cli.audit import audit_command
from runbook_lib.cli.main import ACTORS, READERS, cli
from runbook_lib.connections import registry as connections
from runbook_lib.lab.hosts import registry as hosts
from runbook_lib.model.status import Status
from runbook_lib.report import formats
from runbook_lib.runbook.resume import CHANGEABLE

TOP = Path(__file__).parents[2]
WHAT_A_RUN_DOES = {"hosts", "inventory", "mode"}


@pytest.mark.parametrize(("folder", "group"), [("cli", cli), ("cli/audit", audit_command)])
def test_every_verb_that_has_a_module_is_a_command(folder: str, group: object) -> None:
    top = TOP / "runbook_lib" / folder
    texts = [
        path.read_text(encoding="utf-8") for path in [*top.glob("[a-z]*.py"), *top.glob("*/__init__.py")]
    ]
    verbs = {verb for text in texts for verb in re.findall(r"^def (\w+)_command\(", text, re.MULTILINE)}
    listed = CliRunner().invoke(group, ["--help"]).output  # type: ignore[arg-type] # a click group
    assert "list" in verbs
    assert [verb for verb in sorted(verbs) if not re.search(rf"^  {verb} ", listed, re.MULTILINE)] == []


def test_every_verb_either_reads_or_acts() -> None:
    assert not READERS & ACTORS
    assert set(cli.list_commands(click.Context(cli))) == READERS | ACTORS


@pytest.mark.parametrize(
    ("group", "built_in"),
    [
        (rules.GROUP, rules.BUILT_IN),
        (hosts.GROUP, hosts.BUILT_IN),
        (formats.GROUP, formats.BUILT_IN),
        (connections.GROUP, connections.BUILT_IN),
    ],
    ids=["audit-rules", "lab-hosts", "report-formats", "connections"],
)
def test_what_is_built_in_is_declared_in_pyproject(group: str, built_in: dict[str, str]) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][group] == built_in


def test_every_extension_point_is_in_the_architecture_page() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
    groups = [group for group in project["entry-points"] if group.startswith("runbook_lib.")]
    assert [group for group in groups if f"| `{group}` |" not in page] == []


def test_the_help_lists_the_exit_codes_of_runs() -> None:
    text = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())
    listed = {int(code) for code in re.findall(r"\b(\d) [a-z]", text.split("Exit codes:", 1)[1])}
    assert listed == {0, 2} | {status.exit_code for status in Status}


def test_a_resumed_run_knows_of_every_parameter_whether_it_may_differ() -> None:
    """A new parameter of every runbook sets what a run does, or only how it proceeds: then it is `CHANGEABLE`."""
    assert set(Parameters.model_fields) == CHANGEABLE | WHAT_A_RUN_DOES
