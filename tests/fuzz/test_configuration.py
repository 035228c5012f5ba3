"""Parameters, parameters cells, inventories: a checked value, or one error before any host is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import strategies as st

from runbook_lib.errors import InputError, InventoryError
from runbook_lib.execution import catalog
from runbook_lib.execution.fleet.job_graph import plan_run
from runbook_lib.execution.fleet.request import RunRequest
from runbook_lib.execution.input_checks import check_parameters
from runbook_lib.inventory import Inventory
from runbook_lib.parameters.cell import literals
from runbook_lib.parameters.cell_model import cell_model, declared_values
from runbook_lib.yaml_files import YamlFile
from tests.execution.project import Project
from tests.fuzz.harness import fuzzed, one_message
from tests.fuzz.mutations import JSON, JUNK, mutated_json, mutated_text
from tests.programs import Programs
from tests.runbook.practice import Practice

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """\
# Hosts of the example
hosts:
  host-a: &usual
    address: 192.168.7.31
    user: ops
    port: 22
    identity_file: ~/.ssh/id_ed25519
    known_hosts: ~/.ssh/known_hosts
    sudo_password: ${env:SUDO_PASSWORD}
    connect_timeout: 5.5
    variables: {bridge_address: 192.168.7.31/20, names: [a, b]}
  host-b: {connection: local}
  10.0.0.7:
    <<: *usual
    address: null
groups:
  docker: [host-a, host-b]
  all-of-them:
  - host-b
"""
FILE = """\
inventory: inventory.yml
hosts: all
mode: plan
step_timeout: 90.5
run_timeout: null
at_once: 4
lock_timeout: 12
take_over: false
on_failure: stop
"""
CELL = """\
inventory = "inventory.yml"
hosts: str = "all"
lock_timeout = 1.5  # seconds
at_once = 0x10
take_over = False
"""
DECLARED = """\
from typing import Annotated, Literal
from annotated_types import Gt
port: Annotated[int, Gt(0)] = 443  # where
mode: str = "plan"
names: list[str] | None = ["a"]
wiring: Literal["on", 1] = "on"
deep = {"a": [1, None, 2.5, True]}  # type: dict
"""
ANSIBLE: dict[str, Any] = {
    "_meta": {
        "hostvars": {"web-1": {"ansible_host": "10.0.0.1", "ansible_port": "22", "zone": ["a"]}, "db": {}}
    },
    "all": {"children": ["web", "ungrouped"], "vars": {"zone": "b"}},
    "web": {"hosts": ["web-1"], "vars": {"ansible_ssh_common_args": "-J ops@bastion -o ControlMaster=auto"}},
    "old": ["db"],
}
NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Practice"},
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "b",
            "metadata": {"tags": ["parameters"]},
            "outputs": [],
            "source": [CELL],
        },
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": "c",
            "metadata": {},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}],
            "source": "print(1)",
        },
    ],
    "metadata": {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "runbook": {
            "parameters": "tests.runbook.practice:Practice",
            "needs": ["00_preflight"],
            "risk": "none",
            "target": "hosts",
        },
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}
SCALARS = st.one_of(
    JUNK,
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "2026-13-45", "12:30", "0b_", "0x_", "1_000", "~", "yes", "[", "{a: 1}", "!!python/name:os.system",
            "&a [*a]", "hello # world", "0o17", ".inf", "-.INF", ".nan", "=", "<<", "? a", "- b", "%YAML 9", "a: b: c",
            "@x", "[" * 2000, "[" * 300 + "]" * 300, "{a: " * 300 + "}" * 300,
        ]
    ),
)  # fmt: skip
TEXTS = frozenset(name for name, field in Practice.model_fields.items() if field.annotation is str)


def read(text: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.load(text, Loader=yaml.CSafeLoader)  # libyaml reads some tabs that PyYAML does not


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    place = tmp_path_factory.mktemp("fuzz")
    return Project(place, place, Programs())


@pytest.fixture(scope="module")
def practice(project: Project) -> str:
    return str(project.notebook())


@fuzzed(
    40,
    pairs=st.lists(
        st.tuples(
            st.sampled_from([name for name in Practice.model_fields if name != "inventory"]) | JUNK, SCALARS
        ),
        max_size=3,
    ),
)
def test_parameters_on_the_command_line(practice: str, pairs: list[tuple[str, str]]) -> None:
    given = RunRequest(names=[practice], pairs=pairs)
    try:
        (job,) = plan_run(given).jobs
    except InputError as problem:
        one_message(problem)
        return
    checked = Practice.model_validate({"inventory": "", "hosts": "", **job.values})
    for name, word in dict(pairs).items():
        value = getattr(checked, name)
        meant = word if name in TEXTS else read(word)
        assert value == (float(meant) if isinstance(value, float) else meant), name
    assert Practice.model_validate(read(yaml.safe_dump(checked.model_dump()))) == checked


@fuzzed(40, text=mutated_text([FILE]))
def test_a_parameters_file(practice: str, project: Project, text: str) -> None:
    file = project.place / "parameters.yml"
    file.write_text(text, encoding="utf-8", newline="", errors="surrogatepass")
    try:
        (job,) = plan_run(
            RunRequest(
                names=[practice],
                files=[str(file)],
                options={"inventory": str(project.inventory), "hosts": "all"},
            )
        ).jobs
    except InputError as problem:
        one_message(problem, file)
    else:
        assert {"inventory", "hosts", *(read(text) or {})} >= set(YamlFile(file).data)
        assert job.hosts == ["host-a"]


@fuzzed(40, source=mutated_text([CELL]) | st.text(max_size=40))
def test_a_parameters_cell(source: str) -> None:
    try:
        values = literals(source, "cell")
    except InputError as problem:
        one_message(problem)
        return
    namespace: dict[str, Any] = {}
    exec(compile(source, "cell", "exec"), namespace)  # noqa: S102 - literals only, so nothing can happen
    assert {name: repr(value) for name, value in values.items()} == {
        name: repr(namespace[name]) for name in values
    }


@fuzzed(40, source=mutated_text([DECLARED]) | st.text(max_size=40))
def test_a_parameters_cell_with_types(source: str) -> None:
    try:
        model = cell_model(source, "fuzzed", "Fuzzed", "cell")
    except InputError as problem:
        one_message(problem)
        return
    values = declared_values(source, "cell")
    checked = model.model_validate({"inventory": "a", "hosts": "b", **values})
    assert {name: getattr(checked, name) for name in values} == values


@fuzzed(
    40, text=mutated_text([INVENTORY]), pattern=mutated_text(["all,!host-b", "docker:host-*", "10.0.0.7"])
)
def test_an_inventory(project: Project, text: str, pattern: str) -> None:
    file = project.place / "other.yml"
    file.write_text(text, encoding="utf-8", newline="", errors="surrogatepass")
    try:
        inventory = Inventory.load(file)
    except InventoryError as problem:
        one_message(problem, file)
        return
    meant = read(text)
    assert [*inventory.hosts] == [*meant["hosts"]]
    for name, values in meant["hosts"].items():
        host = inventory.hosts[name]
        assert {key: getattr(host, key) for key in values} == values
        assert host.name == name
    try:
        chosen = inventory.select(pattern)
    except InventoryError as problem:
        one_message(problem)
    else:
        assert chosen
        assert all(inventory.hosts[host.name] is host for host in chosen)


@fuzzed(30, values=st.dictionaries(st.sampled_from(["hosts", "groups", "x"]), JSON, max_size=3))
def test_an_inventory_of_any_values(project: Project, values: dict[str, Any]) -> None:
    file = project.place / "any.yml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    try:
        Inventory.load(file)
    except InventoryError as problem:
        one_message(problem)


@fuzzed(40, content=mutated_json(ANSIBLE))
def test_what_an_inventory_program_prints(project: Project, content: Any) -> None:  # noqa: ANN401 - JSON
    file = project.place / "printed.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    try:
        inventory = Inventory.load(file)
    except InventoryError as problem:
        one_message(problem)
        return
    assert {*inventory.hosts} >= {*content["_meta"]["hostvars"]}
    assert all({*members} <= {*inventory.hosts} for members in inventory.groups.values())


@fuzzed(40, content=mutated_json(NOTEBOOK))
def test_a_notebook_that_is_to_be_run(project: Project, content: Any) -> None:  # noqa: ANN401 - JSON
    path: Path = project.place / "any.ipynb"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        entry = catalog.load(path)
    except InputError as problem:
        one_message(problem, path)
        return
    assert entry.model is Practice
    assert all(isinstance(need, str) for need in entry.needs)
    assert isinstance(entry.target, str)
    assert isinstance(entry.risk, str)
    try:
        check_parameters(entry, {"inventory": str(project.inventory)}, None)
    except InputError as problem:
        one_message(problem)
