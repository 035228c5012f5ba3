"""Which fields of the evidence are masked when a secret became known late: text, and nothing that records depend on."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from runbook_lib.evidence.exposed_secrets import ExposedSecrets, is_structure
from runbook_lib.evidence.exposure_search import find_exposure
from runbook_lib.masking import Mask
from runbook_lib.model.plans import Change, Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord, StreamRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fields that have, or contain, text of a host or a person: a late secret is looked for and masked there.
TEXT: dict[type, set[str]] = {
    RunRecord: {
        *("title", "operator", "machine", "inventory", "lab", "message", "incomplete", "exposed_secrets"),
        *("source", "versions", "parameters", "endpoints", "notebook_file"),
        "unit",  # compared in the journal, before anything is masked
    },
    StepRecord: {"title"},
    HostRecord: {"address", "operation", "message", "facts"},
    CommandRecord: {"text", "stdin", "purpose", "problem"},
    StreamRecord: {"head", "tail"},
    Check: {"name", "expected", "observed", "id"},
    Change: {"what", "before", "after"},
}
FIELDS = [
    (model, name, kind) for model in TEXT for name, kind in get_type_hints(model).items() if name[0] != "_"
]


def parts(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type
    """The types that a type is made of, without the fields of models and dataclasses."""
    if get_origin(annotation) is Literal or not get_args(annotation):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from parts(inner)


def choices(annotation: Any) -> list[str]:  # noqa: ANN401 - a type
    """The only values that a type has."""
    found = [value for part in parts(annotation) if get_origin(part) is Literal for value in get_args(part)]
    enums = [part for part in parts(annotation) if isinstance(part, type) and issubclass(part, Enum)]
    return [*found, *(str(member.value) for enum in enums for member in enum)]


def test_every_field_of_the_records_that_may_have_text_is_structure_or_named_here() -> None:
    for model, text in TEXT.items():
        names = {
            name
            for owner, name, kind in FIELDS
            if owner is model and (choices(kind) or {str, Any, datetime} & set(parts(kind)))
        }
        structure = {name for name in names if is_structure(name, "")}
        assert names - structure == text, f"{model.__name__}: structure, or text of a host or a person?"
    nested = {
        part
        for _, _, kind in FIELDS
        for part in parts(kind)
        if is_dataclass(part) or hasattr(part, "model_fields")
    }
    assert nested < set(TEXT)


@pytest.mark.parametrize(
    ("name", "value"), sorted({(name, value) for _, name, kind in FIELDS for value in choices(kind)})
)
def test_a_value_of_a_record_that_is_one_of_a_few_is_not_masked(name: str, value: str) -> None:
    exposed = ExposedSecrets([], {value: "${env:WORD}"})
    assert exposed.mask_data({name: value, "text": value}) == {name: value, "text": "${env:WORD}"}


@pytest.mark.parametrize("name", ["seal", "status", "mode", "host", "boot"])
def test_in_facts_and_parameters_no_name_is_structure(name: str, tmp_path: Path) -> None:
    value = "tr0ub4dor"
    exposed = ExposedSecrets([], {value: "${env:WORD}"})
    assert exposed.mask_data({"facts": {"Own": {name: value}}}) == {"facts": {"Own": {name: "${env:WORD}"}}}
    line = f'{{"n": 1, "event": "host_ended", "facts": {{"Own": {{"{name}": "{value}"}}}}}}\n'
    (tmp_path / "journal.jsonl").write_text(line, encoding="utf-8")
    found = find_exposure(tmp_path, "${env:WORD}", Mask({value: "${env:WORD}"}), [])
    assert [place.file for place in found.places] == ["journal.jsonl"]
