"""Every operation: from arguments and facts to a plan, a refusal, and checks.

A case may be `like` another one in its folder: then it has that case's arguments and facts, except for those it
gives itself. `after` says how facts differ once the plan's commands have been carried out, and `not_after` which are
not asked for any more: then all checks hold, and nothing more is planned.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from pydantic import TypeAdapter

import runbook_lib.operations
from runbook_lib.errors import PlanRefused
from runbook_lib.facts.base import Facts
from runbook_lib.model.plans import NetworkGuard, Plan, Reboot
from runbook_lib.operations.base import Operation, Probe
from tests.operations.command_lists import command_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_lib.facts.base import Fact
    from runbook_lib.model.commands import Command

CASES = sorted(Path(__file__).parent.glob("*/*.json"))
OF_EACH = pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
PYTHON = re.compile(r"True|False|None|(\[|\{|\().*(\]|\}|\))", re.DOTALL)
NOT_AS_JSON = {"observe.Observe", "refusal.Expected", "task.Task"}  # their arguments are facts and operations
NOT_AS_JSON |= {"shell.Look"}  # it reads no facts and judges nothing: tests/display/test_cell_magic.py


def case(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "like" not in loaded:
        return loaded
    base = case(path.with_name(f"{loaded['like']}.json"))
    merged = {name: {**base[name], **loaded.get(name, {})} for name in ("arguments", "facts")}
    return {"operation": base["operation"], **loaded, **merged}


@functools.cache
def operation_classes() -> dict[str, type[Operation]]:
    """Every operation of every module, as `bridge.Present`."""
    found = {}
    for module in pkgutil.iter_modules(runbook_lib.operations.__path__):
        loaded = importlib.import_module(f"runbook_lib.operations.{module.name}")
        for name, member in vars(loaded).items():
            own = (
                isinstance(member, type) and member.__module__ == loaded.__name__ and name == member.__name__
            )
            if own and issubclass(member, Operation) and member not in {Operation, Probe}:
                found[f"{module.name}.{name}"] = member
    return found


def make(loaded: Mapping[str, Any]) -> Operation:
    operation: Operation = TypeAdapter(operation_classes()[loaded["operation"]]).validate_python(
        loaded["arguments"]
    )
    return operation


def facts_of(operation: Operation, plain: Mapping[str, Any]) -> Facts:
    """Turn plain values by label into the values that the operation's facts would have."""
    values: dict[Fact[Any], Any] = {}
    wanted = list(operation.facts())
    while wanted:
        for fact in wanted:
            assert fact.label in plain, f"the case lacks {fact.label}"
            kind = get_type_hints(type(fact).parse)["return"]
            values[fact] = TypeAdapter(kind).validate_python(plain[fact.label])
        further = operation.further_facts(Facts(values)) or ()
        wanted = [fact for fact in further if fact not in values]
    assert set(plain) == {fact.label for fact in values}, (
        "a case gives exactly the facts that its operation asks for"
    )
    return Facts(values)


def shown(command: Command) -> str | dict[str, Any]:
    text = f"sudo {command.text}" if command.sudo else command.text
    more: dict[str, Any] = {} if command.stdin is None else {"stdin": command.stdin}
    more |= {} if command.accept == (0,) else {"accept": list(command.accept)}
    return {"text": text, **more} if more else text


def shown_reboot(reboot: Reboot) -> dict[str, Any]:
    loaded: dict[str, Any] = {
        part: [shown(command) for command in getattr(reboot, part)] for part in command_lists(Reboot)
    }
    more: dict[str, Any] = {}
    if reboot.failed_before_reboot is not None:
        more["failed_before_reboot"] = list(reboot.failed_before_reboot)
    loaded |= {
        "only_after_confirm": list(reboot.only_after_confirm),
        "recovery": reboot.recovery,
        "deadline": reboot.deadline,
    }
    return {**loaded, **more}


@OF_EACH
def test_an_operation_plans_or_refuses_as_in_its_case(path: Path) -> None:
    loaded = case(path)
    operation = make(loaded)
    facts = facts_of(operation, loaded["facts"])
    if "refused" in loaded:
        with pytest.raises(PlanRefused) as caught:
            operation.plan(facts)
        assert re.search(loaded["refused"], caught.value.message), caught.value.message
        assert caught.value.hint
        return
    plan = operation.plan(facts)
    assert "commands" in loaded["plan"]
    for part in command_lists(Plan):
        assert [shown(command) for command in getattr(plan, part)] == loaded["plan"].get(part, [])
    changes = [[change.what, change.before, change.after] for change in plan.changes]
    assert changes == loaded["plan"].get("changes", [])
    assert (plan.guard is not None) == ("guard" in loaded["plan"])
    assert (shown_reboot(plan.reboot) if plan.reboot else None) == loaded["plan"].get("reboot")
    guard = loaded["plan"].get("guard")
    if plan.guard and isinstance(guard, dict):
        for part in command_lists(NetworkGuard):
            assert [shown(command) for command in getattr(plan.guard, part)] == guard.get(part, [])
        assert plan.guard.timeout == guard["timeout"]


@OF_EACH
def test_an_operation_checks_as_in_its_case_and_always_something(path: Path) -> None:
    loaded = case(path)
    if loaded.get("checks") == "refused":
        with pytest.raises(PlanRefused):
            make(loaded).verify(facts_of(make(loaded), loaded["facts"]))
        return
    checks = make(loaded).verify(facts_of(make(loaded), loaded["facts"]))
    assert checks
    assert [[check.name, check.holds] for check in checks] == loaded["checks"]
    assert all(check.expected != check.observed for check in checks if not check.holds)
    texts = [text for check in checks for text in (check.expected, check.observed)]
    assert [text for text in texts if PYTHON.fullmatch(text)] == []  # a person reads them


@OF_EACH
def test_after_a_plan_all_checks_hold_and_nothing_more_is_planned(path: Path) -> None:
    loaded = case(path)
    operation = make(loaded)
    if not loaded.get("plan", {}).get("commands"):
        return
    if not operation.verifiable:
        assert operation.verify(facts_of(operation, loaded["facts"]))
        return
    merged = {**loaded["facts"], **loaded["after"]}
    facts = facts_of(
        operation,
        {label: value for label, value in merged.items() if label not in loaded.get("not_after", ())},
    )
    checks = operation.verify(facts)
    assert [check for check in checks if not check.holds] == []
    assert checks
    assert operation.plan(facts).commands == ()


@OF_EACH
def test_nothing_is_planned_if_all_checks_hold(path: Path) -> None:
    loaded = case(path)
    if (
        loaded["checks"] != "refused"
        and all(holds for _, holds in loaded["checks"])
        and make(loaded).verifiable
    ):
        assert loaded["plan"]["commands"] == []


@OF_EACH
def test_planning_is_pure(path: Path) -> None:
    loaded = case(path)
    if "plan" in loaded:
        operation = make(loaded)
        facts = facts_of(operation, loaded["facts"])
        before = facts.plain()
        assert operation.plan(facts) == operation.plan(facts)
        assert facts.plain() == before


@pytest.mark.parametrize("name", sorted(set(operation_classes()) - NOT_AS_JSON))
def test_every_operation_has_a_case_that_plans_nothing_and_one_that_plans_something(name: str) -> None:
    mine = [loaded for loaded in map(case, CASES) if loaded["operation"] == name]
    assert mine, f"{name} has no case"
    plans = [loaded["plan"]["commands"] for loaded in mine if "plan" in loaded]
    if issubclass(operation_classes()[name], Probe):
        assert not any(plans)
        assert {holds for loaded in mine for _, holds in loaded["checks"]} == {True, False}
        return
    assert any(plans)
    assert [] in plans or not make(mine[0]).verifiable


@OF_EACH
def test_a_description_has_noun_and_arguments(path: Path) -> None:
    loaded = case(path)
    assert make(loaded).describe().startswith(f"{loaded['operation']}(")


@OF_EACH
def test_every_check_has_an_id_of_its_own(path: Path) -> None:
    loaded = case(path)
    if loaded["checks"] == "refused":
        return
    ids = [check.id for check in make(loaded).verify(facts_of(make(loaded), loaded["facts"]))]
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+(\..+)?", identifier) for identifier in ids), ids
    assert len(set(ids)) == len(ids), ids
