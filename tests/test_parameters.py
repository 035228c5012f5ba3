"""A notebook's variables become its parameters; a mistyped one is an error before any host is touched."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import Field

from runbook_lib.books.docker import parameters
from runbook_lib.errors import ParameterError
from runbook_lib.model.status import Mode
from runbook_lib.parameters import Parameters
from runbook_lib.yaml_files import validate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ipython_kernel import Kernel


class Practice(Parameters):
    runbook: ClassVar[str] = "10_practice"
    title: ClassVar[str] = "Practice"

    gateway: str | None = None
    wait: float = Field(default=1.0, gt=0)
    names: list[str] = Field(default_factory=list)
    options: dict[str, Any] = Field(default_factory=dict)


GIVEN: dict[str, Any] = {"inventory": "inventory.yml", "hosts": "all"}


def test_variables_become_parameters_and_the_rest_has_defaults() -> None:
    p = Practice.collect({**GIVEN, "gateway": "10.0.0.1"})
    assert (p.inventory, p.hosts, p.gateway, p.wait) == ("inventory.yml", "all", "10.0.0.1", 1.0)
    assert (p.run_mode, p.on_failure, p.runs) == (Mode.APPLY, "stop", "runs")


def test_modules_functions_classes_and_private_names_are_not_parameters() -> None:
    namespace = {
        **GIVEN,
        "math": math,
        "helper": lambda: 1,
        "Practice": Practice,
        "_i1": "x",
        "__name__": "__main__",
    }
    assert Practice.collect(namespace) == Practice.collect(GIVEN)


def test_a_whole_number_may_stand_for_seconds() -> None:
    assert Practice.collect({**GIVEN, "wait": 3}).wait == 3.0


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"gatway": "10.0.0.1"}, "unknown name 'gatway' (did you mean 'gateway'?)"),
        ({"something": None}, "unknown name 'something'"),
        ({"hosts": ["a"]}, "'hosts': Input should be a valid string, got ['a']"),
        ({"wait": "1"}, "'wait': Input should be a valid number, got '1'"),
        ({"wait": 0.0}, "'wait': Input should be greater than 0"),
        ({"wait": True}, "'wait': Input should be a valid number, got True"),
        ({"names": ("a",)}, "'names': Input should be a valid list"),
        ({"mode": "Apply"}, "'mode': Input should be 'plan', 'apply' or 'validate', got 'Apply'"),
        ({"on_failure": "panic"}, "'on_failure': Input should be 'stop' or 'continue'"),
        ({"wait": math.inf}, "'wait': must be a finite number"),
        ({"wait": math.nan}, "'wait': must be a finite number"),
        ({"options": {"a": [2**64]}}, "'options': a: an integer of more than 64 bits; write it in quotes"),
        ({"options": {"a": -(2**63) - 1}}, "'options': a: an integer of more than 64 bits"),
        ({"options": {"a": [1, {"b": -math.inf}]}}, "'options': a: b: must be a finite number"),
        ({"options": {"since": dt.datetime(2026, 1, 2, 3, 4)}}, "'options': since: a date or time"),  # noqa: DTZ001
        ({"options": {"a": b"x"}}, "'options': a: of type bytes"),
        ({"options": {7: "x"}}, "'options': the key 7 is not text"),
        ({"gateway": "a\udcff"}, "'gateway': not valid UTF-8"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError) as refused:
        Practice.collect({**GIVEN, **given})
    assert why in refused.value.message
    assert refused.value.where == "parameters of 10_practice"
    assert refused.value.exit_code == 2


def test_an_integer_that_readers_keep_exactly_is_recorded() -> None:
    options = {"least": -(2**63), "most": 2**64 - 1, "yes": True}
    assert Practice.collect({**GIVEN, "options": options}).options == options


def test_a_date_is_refused_because_evidence_would_have_a_text() -> None:
    with pytest.raises(ParameterError, match="a date or time in YAML: 2026-01-02; write it in quotes"):
        validate(Practice, {**GIVEN, "gateway": dt.date(2026, 1, 2)}, ParameterError, "here")


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(ParameterError, match="'inventory' is missing; 'hosts' is missing"):
        Practice.collect({})


def test_collected_parameters_cannot_be_changed() -> None:
    p = Practice.collect(GIVEN)
    with pytest.raises(ValueError, match="frozen"):
        p.mode = "plan"  # type: ignore[misc]


CHAPTER: dict[str, Any] = {
    **GIVEN,
    "card": "em1",
    "subnet": "192.168.0.0/20",
    "probe_image": "runbook/ambassador:1",
    "proof_image": "runbook/redis-cli:1",
    "server": "a",
    "client": "b",
    "server_address": "192.168.7.31",
    "redis_image": "redis:7",
    "client_image": "registry.example:5000/redis-cli@sha256:00",
    "ambassador_image": "a/b:1",
}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"subnet": "192.168.7.0/20"}, "'subnet': 192.168.7.0/20 has host bits set"),
        ({"server_address": "192.168.7.331"}, "'server_address'"),
        ({"gateway": "router"}, "'gateway'"),
        ({"port": 0}, "'port'"),
        ({"port": "6379"}, "'port': Input should be a valid integer"),
        ({"card": "a-name-of-sixteen"}, "'card'"),
        ({"card": "em1; reboot"}, "'card'"),
        ({"bridge": "-e"}, "'bridge'"),
        ({"redis_image": "--privileged"}, "'redis_image'"),
        ({"key": "two words"}, "'key'"),
        ({"value": ""}, "'value'"),
        ({"revert_after": 5.0}, "'revert_after'"),
        ({"wiring": "overlay"}, "'wiring'"),
        ({"mode": "apply"}, "'mode': Input should be 'validate'"),
    ],
)
def test_the_chapter_refuses_invalid_values(given: dict[str, Any], why: str) -> None:
    parameters.ValidateChapter.collect(CHAPTER)
    with pytest.raises(ParameterError) as refused:
        parameters.ValidateChapter.collect({**CHAPTER, **given})
    assert why in refused.value.message


def test_values_that_contradict_each_other_are_refused_without_an_empty_name() -> None:
    with pytest.raises(ParameterError) as refused:
        parameters.ValidateChapter.collect({**CHAPTER, "tenant": "names"})
    assert (
        refused.value.message
        == "names, tenant and other_tenant must be three different networks of their own"
    )


def test_registry_mirrors_become_an_engine_option_only_where_there_are_any() -> None:
    given = {**GIVEN, "proof_image": "a:1", "engine_options": {"log-driver": "journald"}}
    assert parameters.DockerInstall.collect(given).options == {"log-driver": "journald"}
    mirrored = parameters.DockerInstall.collect({**given, "registry_mirrors": ["http://m:5000"]})
    assert mirrored.options == {"log-driver": "journald", "registry-mirrors": ["http://m:5000"]}


CELLS = (
    'inventory = "inventory.yml"\nhosts = "all"',
    'gatway = "10.0.0.1"',
    "p = Practice.collect(globals())",
)
TYPED_BEFORE = ["", "note = 'typed before'", "get_ipython().run_line_magic('run', 'book.ipynb')"]


def book(place: Path, *cells: str) -> str:
    path = place / "book.ipynb"
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(
        json.dumps({"cells": [{"cell_type": "markdown", "source": "x = 1"}, *code]}), encoding="utf-8"
    )
    return str(path)


@pytest.mark.parametrize(
    "leftover", [{}, {"found": {"host-a": 1}, "note": "typed before"}], ids=["first", "again"]
)
def test_cells_that_ipython_executes_from_a_file_are_read_from_it(
    tmp_path: Path, leftover: dict[str, Any]
) -> None:
    """`ipython book.ipynb` and `%run book.ipynb` keep no history of the cells."""
    later = "found = {'host-a': 1}\nhosts = 'another'"
    file = book(tmp_path, "%matplotlib inline\n" + CELLS[0], CELLS[2], later)
    assert Practice.collect({**GIVEN, **leftover, "__file__": file, "In": TYPED_BEFORE}).hosts == "all"
    mistyped = book(tmp_path, *CELLS)
    with pytest.raises(ParameterError, match="unknown name 'gatway'"):
        Practice.collect({**GIVEN, **leftover, "gatway": "1", "__file__": mistyped, "In": TYPED_BEFORE})


def test_without_a_history_everything_that_is_set_counts() -> None:
    """nbval keeps none; nor is there one for a file that has been moved since."""
    nothing = {"In": [""], "Out": {}, "_": "", "exit": lambda: 1}
    assert Practice.collect({**GIVEN, **nothing}).hosts == "all"
    with pytest.raises(ParameterError, match="unknown name 'gatway'"):
        Practice.collect({**GIVEN, **nothing, "gatway": "1"})
    moved = {**GIVEN, "__file__": "/nonexistent/book.ipynb", "In": TYPED_BEFORE, "note": "typed before"}
    assert Practice.collect(moved).hosts == "all"


def test_a_parameters_cell_that_was_changed_after_the_first_collect_counts() -> None:
    history = ["", *CELLS[::2], "found = {}\nwait = len(found)", 'note = "scratch"']
    namespace = {**GIVEN, "found": {}, "wait": 0, "note": "scratch", "gateway": "10.0.0.1"}
    assert Practice.collect({**namespace, "In": [*history, CELLS[2]]}).gateway is None
    changed = [*history, CELLS[0] + '\ngateway = "10.0.0.1"', CELLS[2]]
    assert Practice.collect({**namespace, "In": changed}).gateway == "10.0.0.1"
    mistyped = [*history, CELLS[0] + "\ngatway = 1", CELLS[2]]
    with pytest.raises(ParameterError, match="unknown name 'gatway'"):
        Practice.collect({**namespace, "gatway": 1, "In": mistyped})


DEFINE = """
from typing import ClassVar
from runbook_lib.parameters import Parameters
class Practice(Parameters):
    runbook: ClassVar[str] = "10_practice"
    title: ClassVar[str] = "Practice"
    gateway: str | None = None
"""


def test_in_a_kernel_the_cells_assignments_are_the_parameters(kernel: Kernel) -> None:
    kernel.run('inventory = "inventory.yml"\nhosts: str = "all"\nmode = "apply"')
    kernel.run('mode = "plan"  # injected by papermill')
    kernel.run("import math\n" + DEFINE)
    assert (
        kernel.run("p = Practice.collect(globals()); print(p.inventory, p.hosts, p.mode)")
        == "inventory.yml all plan\n"
    )


def test_in_a_kernel_a_mistyped_name_is_reported_without_library_frames(
    kernel: Kernel,
) -> None:
    kernel.run('inventory = "inventory.yml"\nhosts = "all"')
    kernel.run('gatway = "10.0.0.1"  # injected by papermill')
    kernel.run(DEFINE)
    traceback = kernel.fail("p = Practice.collect(globals())")
    assert "unknown name 'gatway' (did you mean 'gateway'?)" in traceback
    assert "Traceback" not in traceback
    assert "pydantic" not in traceback


def test_in_a_kernel_variables_set_after_collecting_are_not_parameters(
    kernel: Kernel,
) -> None:
    kernel.run('inventory = "inventory.yml"\nhosts = "all"')
    kernel.run(DEFINE)
    kernel.run("p = Practice.collect(globals())")
    kernel.run("found = {'host-a': 1}\nfor number in range(3):\n    place = str(number)")
    kernel.run('hosts = "web"')
    assert kernel.run("p = Practice.collect(globals()); print(p.hosts)") == "web\n"


def test_in_a_kernel_a_cell_with_a_magic_still_gives_its_parameters(kernel: Kernel) -> None:
    kernel.run('%who_ls\ninventory = "inventory.yml"')
    kernel.run('!true\nhosts = "all"')
    kernel.run(DEFINE)
    assert kernel.run("print(Practice.collect(globals()).hosts)") == "all\n"


def test_in_a_kernel_a_cell_that_does_not_parse_is_ignored(kernel: Kernel) -> None:
    kernel.fail("this is not Python")
    kernel.run('inventory = "inventory.yml"; hosts = "all"')
    kernel.run(DEFINE)
    assert kernel.run("print(Practice.collect(globals()).hosts)") == "all\n"
