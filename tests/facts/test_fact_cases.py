"""Every fact: the command it sends, and how it parses recorded and composed outputs."""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import runbook_lib.facts
from runbook_lib.errors import FactError
from runbook_lib.facts.base import Fact, as_plain
from runbook_lib.model.commands import Command, Output

CASES = sorted(Path(__file__).parent.glob("*/*.json"))


def case(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def fact_classes() -> dict[str, type[Fact[Any]]]:
    """Every fact of every module, as `interfaces.Interfaces`."""
    found = {}
    for module in pkgutil.iter_modules(runbook_lib.facts.__path__):
        loaded = importlib.import_module(f"runbook_lib.facts.{module.name}")
        for name, member in vars(loaded).items():
            own = isinstance(member, type) and member.__module__ == loaded.__name__
            if own and issubclass(member, Fact) and member is not Fact:
                found[f"{module.name}.{name}"] = member
    return found


def make(loaded: dict[str, Any]) -> Fact[Any]:
    fact: Fact[Any] = TypeAdapter(fact_classes()[loaded["fact"]]).validate_python(loaded["arguments"])
    return fact


def answer(loaded: dict[str, Any]) -> Output:
    output = dict(loaded["output"])
    if "json" in output:
        output["stdout"] = json.dumps(output.pop("json"))
    return Output(**output)


def request_as_json(fact: Fact[Any]) -> dict[str, Any]:
    request = fact.request()
    loaded: dict[str, Any] = {"text": request.text}
    if isinstance(request, Command):
        loaded |= {"sudo": True} if request.sudo else {}
        loaded |= {"stdin": request.stdin} if request.stdin is not None else {}
        loaded |= {"accept": list(request.accept)} if request.accept != tuple(range(256)) else {}
    return loaded


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_fact_sends_and_parses_as_in_its_case(path: Path) -> None:
    loaded = case(path)
    fact = make(loaded)
    assert request_as_json(fact) == loaded["request"]
    if "absent" in loaded:
        expected, evaluate = loaded["absent"], fact.absent
    else:
        expected, output = loaded, answer(loaded)

        def evaluate() -> Any:  # noqa: ANN401 - any fact's value
            return fact.parse(output)

    if "error" in expected:
        with pytest.raises(FactError) as caught:
            evaluate()
        assert re.search(expected["error"], str(caught.value)), str(caught.value)
    else:
        assert as_plain(evaluate()) == expected["value"]


@pytest.mark.parametrize("name", fact_classes())
def test_every_fact_has_a_valid_case_and_a_malformed_or_absent_one(name: str) -> None:
    cases = [case(path) for path in CASES if path.parent.name == name.partition(".")[2]]
    assert any("value" in loaded for loaded in cases)
    assert any("error" in loaded or "absent" in loaded for loaded in cases)
    assert all(loaded["fact"] == name for loaded in cases)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_case_says_where_its_output_comes_from(path: Path) -> None:
    assert re.match(
        r"recorded on \S+ \d+.*, \d{4}-\d\d-\d\d, .*command \d+|(composed|documented, not tried): .+",
        case(path)["origin"],
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_facts_value_survives_json(path: Path) -> None:
    loaded = case(path)
    if "value" in loaded:
        value = as_plain(make(loaded).parse(answer(loaded)))
        assert json.loads(json.dumps(value)) == value


def test_a_label_names_the_fact_and_its_arguments() -> None:
    labels = {make(case(path)).label for path in CASES}
    assert {"Kernel", "Container(redis-client)", "Network(bridge)", "DiskSpace(/var)"} <= labels
    assert "Answer(timeout 5 docker exec redis-server redis-cli ping)" in labels
