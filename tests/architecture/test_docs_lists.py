"""Lists in the docs are complete: journal events, audit rules, exit codes, runbooks."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from typing import TYPE_CHECKING, get_args

import pytest

import runbook_lib.operations
from runbook_lib import errors
from runbook_lib.audit.rules import registry
from runbook_lib.evidence import layout
from runbook_lib.lint.rules import RULES
from runbook_lib.model.kinds import CommandKind, StepKind
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status
from runbook_lib.operations.base import Operation
from tests.architecture.package_source import MODULES, TOP, parsed
from tests.operations.test_operation_cases import CASES, case, facts_of, make

if TYPE_CHECKING:
    from collections.abc import Iterator


def text_of(page: str) -> str:
    return (TOP / page).read_text(encoding="utf-8")


def first_columns(page: str, heading: str) -> list[str]:
    """The first cell of each row of the first table below a line of a page."""
    rows: list[str] = []
    for line in text_of(page).split(f"{heading}\n", 1)[1].splitlines():
        if line.startswith("|"):
            rows.append(line.split("|")[1].strip())
        elif rows:
            break
    return rows[2:]  # without the header


def names(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def written_events() -> Iterator[str]:
    """Events that the library appends to a journal."""
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner, event = ast.unparse(node.func.value), node.args[0]
            appends = node.func.attr in {"append", "append_nowait"} and owner.endswith("journal")
            if appends and isinstance(event, ast.Constant):
                yield str(event.value)


def test_the_architecture_page_lists_every_journal_event() -> None:
    written = set(written_events())
    assert "command_started" in written
    assert names(first_columns("docs/architecture.md", "Journal lines:")) == written


def test_the_architecture_page_lists_every_kind_of_step_and_command() -> None:
    rows = [line for line in text_of("docs/architecture.md").splitlines() if line.startswith("| `")]
    for event, kinds in (("step_started", StepKind), ("command_started", CommandKind)):
        (row,) = (line for line in rows if line.startswith(f"| `{event}`"))
        assert set(get_args(kinds)) <= set(re.findall(r"`([^`]+)`", row))


def test_the_archive_page_lists_every_audit_rule() -> None:
    assert names(first_columns("docs/archive.md", "## Audit rules")) == set(registry.BUILT_IN)


def test_the_lint_page_lists_every_rule_as_the_program_does() -> None:
    rows = [line.split("|") for line in text_of("docs/lint.md").splitlines() if line.startswith("| `")]
    assert {row[1].strip(" `"): row[2].strip() for row in rows} == {
        name: rule.summary for name, rule in RULES.items()
    }


def test_the_readme_lists_every_exit_code() -> None:
    raised = {getattr(errors, name).exit_code for name in errors.__all__}
    listed = {int(code) for code in first_columns("README.md", "## Exit codes")}
    assert listed == raised | {status.exit_code for status in Status}


def test_the_page_of_exit_codes_says_what_the_code_says() -> None:
    page = "docs/exit-codes.md"
    assert {int(code) for code in first_columns(page, "# Exit codes")} == {
        int(code) for code in first_columns("README.md", "## Exit codes")
    }
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d) ", text_of(page), re.MULTILINE))
    statuses = {str(status): str(status.exit_code) for status in Status}
    assert {name: code for name, code in rows.items() if name.islower()} == statuses
    classes = {name: code for name, code in rows.items() if not name.islower()}
    assert all(str(getattr(errors, name).exit_code) == code for name, code in classes.items())
    for name in errors.__all__:
        bases = [base.__name__ for base in getattr(errors, name).__mro__]
        nearest = next(base for base in bases if base in classes)
        assert classes[nearest] == str(getattr(errors, name).exit_code), name


def test_the_page_of_the_evidence_lists_every_file_and_the_current_version() -> None:
    listed = {
        name.rstrip("/") for name in names(first_columns("docs/evidence-format.md", "## The run directory"))
    }
    assert layout.SEALED | layout.DERIVED | {layout.ATTESTATION, layout.NOTEBOOK, layout.OUTPUT} == listed
    assert f"`schema_version`, today **{SCHEMA_VERSION}**" in text_of("docs/evidence-format.md")
    versions = first_columns("docs/upgrading.md", "## What has changed in the evidence")
    assert versions[-1] == str(SCHEMA_VERSION)


def test_the_page_on_new_repositories_lists_every_file_that_is_written() -> None:
    templates = TOP / "runbook_lib" / "new_repository" / "templates"
    files = {str(path.relative_to(templates)) for path in templates.rglob("*.template")}
    names = {name.removesuffix(".template").replace("@NAME@", "NAME") for name in files}
    block = text_of("docs/new-repository.md").split("`runbook new NAME` writes", 1)[1].split("\n\n", 2)[1]
    assert names == {word for word in re.findall(r"[\w./-]+", block) if word in names}


def test_the_readme_lists_every_runbook() -> None:
    runbooks = {path.stem for path in (TOP / "notebooks").glob("*.ipynb")} - {"95_audit"}
    assert names(first_columns("README.md", "## The runbooks")) == runbooks


def public_operations() -> dict[str, str]:
    """The class of each operation that a runbook can name, as `files.content`; empty where a host decides which."""
    found = {}
    for module in pkgutil.iter_modules(runbook_lib.operations.__path__):
        loaded = importlib.import_module(f"runbook_lib.operations.{module.name}")
        for name in filter(str.islower, getattr(loaded, "__all__", ())):
            made = value = getattr(loaded, name)
            if inspect.isfunction(value):
                returned = str(value.__annotations__.get("return"))
                made = getattr(loaded, returned, None)
                if returned.endswith("], Operation]"):
                    found[f"{module.name}.{name}"] = ""
            if isinstance(made, type) and issubclass(made, Operation):
                found[f"{module.name}.{name}"] = f"{module.name}.{made.__name__}"
    return found


def operations_in(text: str) -> set[str]:
    return set(re.findall(r"`(\w+\.\w+)[(`]", text)) & set(public_operations())


def test_the_page_on_own_runbooks_lists_every_operation() -> None:
    section = (
        text_of("docs/own-runbook.md").split("## What a step can be\n", 1)[1].split("\nRolled back", 1)[0]
    )
    assert operations_in(section) == set(public_operations())


@pytest.mark.parametrize(
    ("beginning", "part"), [("Rolled back", "rollback"), ("Reverted by the host", "guard")]
)
def test_the_page_on_own_runbooks_says_what_is_undone(beginning: str, part: str) -> None:
    """By the plans of the operations' cases: one with commands that undo it."""
    undone = set()
    for path in CASES:
        loaded = case(path)
        if "refused" not in loaded:
            operation = make(loaded)
            plan = operation.plan(facts_of(operation, loaded["facts"]))
            undone |= {loaded["operation"]} if getattr(plan, part) else set()
    (paragraph,) = [
        text for text in text_of("docs/own-runbook.md").split("\n\n") if text.startswith(beginning)
    ]
    listed = {public_operations()[name] for name in operations_in(paragraph)}
    assert listed == undone
