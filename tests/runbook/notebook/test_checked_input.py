"""What was checked before a kernel started is what its notebook opens runs with."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field

from runbook_lib import Runbook
from runbook_lib.errors import ParameterError
from runbook_lib.inventory import Inventory
from runbook_lib.model.records import RunRecord
from runbook_lib.runbook.notebook.checked_input import CHECKED_INPUT, REFUSED_INPUT, CheckedInput
from runbook_lib.runbook.notebook.refused_steps import read_refusals
from tests.runbook.practice import Practice, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.parameters import Parameters


class Own(Practice):
    port: int = 443
    names: list[str] = Field(default=[])
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)


class Kernel:
    """The environment of a kernel that our engine has started."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.refused = place / "refused"
        self.checked = place / "checked"
        patch.setenv(CHECKED_INPUT, str(self.checked))
        patch.setenv(REFUSED_INPUT, str(self.refused))

    def check(self, checked: Parameters) -> None:
        hosts = Inventory.load(checked.inventory).select(checked.hosts)
        CheckedInput.of(checked, hosts).write(self.checked)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("checked", "opened", "says"),
    [
        ({"mode": "plan"}, {}, "'mode' was checked as 'plan', and the notebook opens the run with 'apply'"),
        ({}, {"mode": "plan"}, "'mode' was checked as 'apply'"),
        ({"hosts": "host-a"}, {"hosts": "all"}, "'hosts' was checked as 'host-a'"),
        ({}, {"inventory": "other.yml"}, "'inventory' was checked as"),
        ({}, {"runs": "elsewhere"}, "'runs' was checked as"),
        ({"resume": "runs/one"}, {}, "'resume' was checked as 'runs/one'"),
        ({}, {"on_failure": "continue"}, "'on_failure' was checked as 'stop'"),
        ({}, {"take_over": True}, "'take_over' was checked as False"),
        ({"run_timeout": 5.0}, {}, "'run_timeout' was checked as 5.0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_run_of_other_parameters_is_not_opened(
    tmp_path: Path, kernel: Kernel, checked: dict[str, Any], opened: dict[str, Any], says: str
) -> None:
    kernel.check(parameters(tmp_path, **checked))
    with pytest.raises(ParameterError, match="parameters of 10_practice: ") as refused:
        Runbook.open(parameters(tmp_path, **opened))
    assert says in str(refused.value)
    assert read_refusals(kernel.refused) == [str(refused.value)], "also if the notebook catches it"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("opened", [{"port": 80}, {"names": ["b"]}, {}], ids=["set", "changed", "left-out"])
def test_a_runbooks_own_parameters_count_too(tmp_path: Path, kernel: Kernel, opened: dict[str, Any]) -> None:
    common = parameters(tmp_path).model_dump()
    kernel.check(Own(**{**common, "names": ["a"]}))
    with pytest.raises(ParameterError, match="'names' was checked as" if "port" not in opened else "'port'"):
        Runbook.open(Own(**{**common, **opened}))


def test_what_both_sides_compute_may_differ_and_a_model_of_fewer_or_more_parameters_is_compared_in_both(
    tmp_path: Path, kernel: Kernel
) -> None:
    common = parameters(tmp_path).model_dump()
    kernel.check(Own(**common, port=80))
    for opened in (Own(**common, port=80), parameters(tmp_path)):
        assert Runbook.open(opened).mode == "apply"
    kernel.check(parameters(tmp_path))
    Runbook.open(Own(**common, port=1))
    assert not kernel.refused.exists()


def test_an_inventory_that_has_other_hosts_by_now_is_refused(tmp_path: Path, kernel: Kernel) -> None:
    kernel.check(parameters(tmp_path))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("hosts: {host-a: {connection: local}, new: {connection: local}}", encoding="utf-8")
    with pytest.raises(ParameterError, match="checked as host-a, host-b, and the inventory has host-a, new"):
        Runbook.open(parameters(tmp_path))
    assert read_refusals(kernel.refused)


@pytest.mark.parametrize("content", [None, "", "[]", '{"other": 1}'])
def test_a_file_that_cannot_be_read_checks_nothing_and_no_run_is_opened(
    tmp_path: Path, kernel: Kernel, content: str | None
) -> None:
    if content is not None:
        kernel.checked.write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match="the checked parameters cannot be read"):
        Runbook.open(parameters(tmp_path))


def test_a_run_that_resumes_another_is_checked_as_that(tmp_path: Path) -> None:
    checked = CheckedInput.of(parameters(tmp_path), [])
    resuming = checked.resuming(tmp_path / "one")
    resuming.refuse_other_parameters(parameters(tmp_path, resume=str(tmp_path / "one")))
    with pytest.raises(ParameterError, match="'resume'"):
        resuming.refuse_other_parameters(parameters(tmp_path))


@pytest.mark.parametrize(
    ("given", "kind"),
    [({"hosts": "host-a"}, "a dict"), (Practice, "the class Practice"), ("inventory.yml", "a str")],
    ids=["dict", "class", "str"],
)
def test_what_is_no_model_of_parameters_is_refused_in_its_own_words(
    kernel: Kernel, given: object, kind: str
) -> None:
    with pytest.raises(
        ParameterError, match=f"^Runbook.open: takes a parameter model, got {kind}\n"
    ) as refused:
        Runbook.open(given)  # type: ignore[arg-type] # as a notebook may
    assert "hint: write Runbook.open()" in str(refused.value)
    assert read_refusals(kernel.refused) == [str(refused.value)]


def test_mode_and_hosts_of_a_record_are_compared_with_what_was_checked() -> None:
    record = RunRecord.model_validate_json(
        json.dumps(
            {
                "run": "r",
                "runbook": "x",
                "mode": "apply",
                "hosts": ["b", "a"],
                "started": "2026-01-01T00:00:00Z",
            }
        )
    )
    assert [*CheckedInput({"mode": "apply"}, hosts=["a", "b"]).contradictions(record)] == []
    assert [*CheckedInput({"mode": "plan"}, hosts=["a"]).contradictions(record)] == [
        "run r was made in mode apply: plan was checked",
        "run r was made on b, a: a was checked",
    ]
