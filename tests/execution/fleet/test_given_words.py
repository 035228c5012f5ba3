"""A word is a text where the parameter is text; a number is finite; no kernel has the signing key."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NewType, Optional
from uuid import UUID

import pytest
from pydantic import AnyUrl, ConfigDict, Field, SecretStr, Strict, create_model

from runbook_lib.attestation.keys import generate
from runbook_lib.books.docker.parameter_types import Address
from runbook_lib.errors import ParameterError
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.execution.catalog import CatalogEntry
from runbook_lib.execution.fleet.request import RunRequest, job_specs
from runbook_lib.execution.input_checks import check_parameters
from runbook_lib.parameters import Parameters
from tests.counted_calls import counted_calls

if TYPE_CHECKING:
    from tests.execution.fleet.project import Project


@pytest.mark.parametrize("word", ["hello # world", "12:30", "", "null", "[a", "yes", "0x10", "a: b: c"])
def test_a_word_for_a_text_is_taken_as_given(
    project: Project, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    project.write("10_first")
    monkeypatch.chdir(project.top)
    request = RunRequest(names=("10_first",), pairs=(("word", word), ("seconds", "1.5")))
    (spec,) = job_specs(request)
    assert (spec.values["word"], spec.values["seconds"]) == (word, 1.5)
    assert check_parameters(spec.entry, spec.values, spec.source).model_dump()["word"] == word


@pytest.mark.parametrize("value", [".inf", ".nan", "-.inf"])
@pytest.mark.parametrize("name", ["lock_timeout", "seconds", "run_timeout"])
def test_a_number_that_is_not_finite_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    project.write("10_first")
    monkeypatch.chdir(project.top)
    assert name in project.refused("10_first", "-p", name, value)


@pytest.mark.parametrize(
    "word", ["2026-13-45", "0b_", "[" * 2000, "[" * 300 + "]" * 300, "&a [*a]", "@x", "!!x y"]
)
def test_a_word_that_is_no_yaml_is_refused_where_the_parameter_is_a_number(
    project: Project, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    project.write("10_first")
    monkeypatch.chdir(project.top)
    request = RunRequest(names=("10_first",), pairs=(("seconds", word),))
    (spec,) = job_specs(request)
    with pytest.raises(ParameterError, match="'seconds': Input should be a valid number"):
        check_parameters(spec.entry, spec.values, spec.source)


def test_the_signing_key_does_not_reach_the_kernel(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(project.top / "key")
    monkeypatch.setenv("THE_KEY", (project.top / "key").read_text())
    monkeypatch.setenv("RUNBOOK_SIGNING_KEY", "${env:THE_KEY}")
    project.write(
        "10_first",
        "import os",
        f'open("{project.place}/environment", "w").write("".join(os.environ.values()))',
        'book.facts("Look", Asleep(p.seconds))',
    )
    done = project.run("10_first", "--hosts", "host-a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(project.runs.glob("*/attestation.json"))
    text = (project.place / "environment").read_text()
    assert "PRIVATE KEY" not in text
    assert "${env:THE_KEY}" not in text


class Kinds(Parameters):
    runbook: ClassVar[str] = "10_kinds"
    title: ClassVar[str] = "Kinds"

    text: str = ""
    maybe: str | None = None
    old: Optional[str] = None  # noqa: UP045 - as others write it
    choice: Literal["on", "off"] = "on"
    address: Address | None = None
    number: int | None = None
    either: int | str = 0
    texts: list[str] = Field(default_factory=list)


class Answer(StrEnum):
    ON = "on"
    OFF = "off"


Label = NewType("Label", str)


class Unknown:
    """A type that pydantic does not know."""


@pytest.mark.parametrize(
    "annotation",
    [Label, AnyUrl, SecretStr, Path, UUID, IPv6Address, Answer, Label | None, Annotated[Label, Strict()]],
)
@pytest.mark.parametrize("word", ["off", "a # b", "007", "1:2:3:4:5:6:7:8"])
def test_a_word_is_taken_as_given_for_whatever_type_is_written_as_text(
    annotation: Any,  # noqa: ANN401 - a type
    word: str,
) -> None:
    model = create_model("Texts", __base__=Parameters, value=(annotation, ...))
    entry = CatalogEntry("10", Path("10.ipynb"), model, {}, "", "", (), Notebook("10", [], {}))
    assert RunRequest(pairs=[("value", word)]).overrides(entry) == {"value": word}


@pytest.mark.parametrize(
    "annotation", [timedelta, Decimal, int, list[Label], dict[str, str], Any, Label | int]
)
def test_a_word_is_yaml_where_a_number_or_more_than_a_text_may_be_meant(
    annotation: Any,  # noqa: ANN401 - a type
) -> None:
    model = create_model("Others", __base__=Parameters, value=(annotation, ...))
    entry = CatalogEntry("10", Path("10.ipynb"), model, {}, "", "", (), Notebook("10", [], {}))
    assert RunRequest(pairs=[("value", "90")]).overrides(entry) == {"value": 90}


def test_the_type_of_a_parameter_may_be_one_that_pydantic_does_not_know() -> None:
    class Odd(Parameters):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: Unknown | None = None

    entry = CatalogEntry("10", Path("10.ipynb"), Odd, {}, "", "", (), Notebook("10", [], {}))
    assert RunRequest(pairs=[("value", "90")]).overrides(entry) == {"value": 90}


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("text", "null", "null"),
        ("maybe", "null", None),
        ("maybe", "", ""),
        ("maybe", "12:30", "12:30"),
        ("maybe", "hello # world", "hello # world"),
        ("maybe", "2026-01-02", "2026-01-02"),
        ("old", "yes", "yes"),
        ("choice", "off", "off"),
        ("address", "10.0.0.1", "10.0.0.1"),
        ("number", "7", 7),
        ("number", "null", None),
        ("either", "7", 7),
        ("texts", "[a, b]", ["a", "b"]),
    ],
)
def test_a_word_is_text_where_its_parameter_takes_text_alone(name: str, word: str, value: object) -> None:
    entry = CatalogEntry(
        "10_kinds", Path("10_kinds.ipynb"), Kinds, {}, "", "", (), Notebook("10_kinds", [], {})
    )
    assert RunRequest(pairs=[(name, word)]).overrides(entry) == {name: value}


def test_a_matrix_and_needed_runbooks_take_words_as_given_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("10_first")
    monkeypatch.chdir(project.top)
    matrix = project.top / "matrix.yml"
    matrix.write_text("runs:\n- runbook: 10_first\n- runbook: 10_first\n  name: second\n")
    request = RunRequest(matrix=str(matrix), pairs=(("word", "12:30"), ("seconds", "1.5")))
    assert [(spec.values["word"], spec.values["seconds"]) for spec in job_specs(request)] == [
        ("12:30", 1.5)
    ] * 2


def test_files_and_notebooks_are_read_once_for_all_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.top)
    (project.top / "slow.yml").write_text("seconds: 1.5\n", encoding="utf-8")
    matrix = project.top / "matrix.yml"
    matrix.write_text(
        "cross:\n  runbook: [10_first]\n  file: slow.yml\n  parameters: {hosts: [host-a, host-b]}\n"
    )
    chapter = RunRequest(names=("10_first", "15_other", "20_second"), files=("slow.yml",))
    for request, notebooks in ((chapter, 3), (RunRequest(matrix=str(matrix)), 1)):
        with counted_calls() as calls:
            specs = job_specs(request)
        assert {spec.values["seconds"] for spec in specs} == {1.5}
        assert len({id(spec.source) for spec in specs}) == 1
        assert calls["runbook_lib.execution.notebook_file.read_notebook"] == notebooks


def test_a_run_on_this_machine_reads_its_inventory_when_it_is_planned_and_in_its_kernel(
    project: Project,
) -> None:
    counted = "#!/bin/sh\necho started >> starts\nprintf '%s' '{}'\n".replace(
        "{}", '{"_meta": {"hostvars": {"host-a": {"ansible_connection": "local"}}}}'
    )
    (project.top / "hosts").write_text(counted, encoding="utf-8")
    (project.top / "hosts").chmod(0o755)
    done = project.run("10_first", "-p", "inventory", "hosts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.top / "starts").read_text() == "started\n" * 2
