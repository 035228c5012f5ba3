"""Every fact: what it asks, and what it makes of recorded and composed answers."""

from __future__ import annotations

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


def make(told: dict[str, Any]) -> Fact[Any]:
    fact: Fact[Any] = TypeAdapter(fact_classes()[told["fact"]]).validate_python(told["arguments"])
    return fact


def answer(told: dict[str, Any]) -> Output:
    output = dict(told["output"])
    if "json" in output:
        output["stdout"] = json.dumps(output.pop("json"))
    return Output(**output)


def told_request(fact: Fact[Any]) -> dict[str, Any]:
    request = fact.request()
    told: dict[str, Any] = {"text": request.text}
    if isinstance(request, Command):
        told |= {"sudo": True} if request.sudo else {}
        told |= {"stdin": request.stdin} if request.stdin is not None else {}
        told |= {"accept": list(request.accept)} if request.accept != tuple(range(256)) else {}
    return told


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_fact_asks_and_understands_as_its_case_tells(path: Path) -> None:
    told = case(path)
    fact = make(told)
    assert told_request(fact) == told["request"]
    if "absent" in told:
        expected, look = told["absent"], fact.absent
    else:
        expected, output = told, answer(told)

        def look() -> Any:  # noqa: ANN401 - any fact's value
            return fact.parse(output)

    if "error" in expected:
        with pytest.raises(FactError) as caught:
            look()
        assert re.search(expected["error"], str(caught.value)), str(caught.value)
    else:
        assert as_plain(look()) == expected["value"]


@pytest.mark.parametrize("name", fact_classes())
def test_every_fact_has_a_good_case_and_a_malformed_or_absent_one(name: str) -> None:
    cases = [case(path) for path in CASES if path.parent.name == name.partition(".")[2]]
    assert any("value" in told for told in cases)
    assert any("error" in told or "absent" in told for told in cases)
    assert all(told["fact"] == name for told in cases)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_case_says_where_its_output_comes_from(path: Path) -> None:
    assert re.match(
        r"recorded on \S+ \d+.*, \d{4}-\d\d-\d\d, .*command \d+|composed: .+", case(path)["origin"]
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_a_fact_tells_can_be_written_as_json_and_read_back_alike(path: Path) -> None:
    told = case(path)
    if "value" in told:
        value = as_plain(make(told).parse(answer(told)))
        assert json.loads(json.dumps(value)) == value


def test_a_label_names_the_fact_and_its_arguments() -> None:
    labels = {make(case(path)).label for path in CASES}
    assert {"Kernel", "Container(redis-client)", "Network(bridge)", "DiskSpace(/var)"} <= labels
    assert "Answer(timeout 5 docker exec redis-server redis-cli ping)" in labels
