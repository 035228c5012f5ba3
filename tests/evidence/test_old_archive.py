"""Evidence that an earlier tree left reads the same: verdicts, outcomes, tables, differences, reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.evidence.record_expected import EXPECTED, OBSERVERS, copy_archive, observe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def differences(expected: Any, observed: Any, place: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield where the two differ; a key that only the later tree has is an addition and does not count."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        for key, value in expected.items():
            if key in observed:
                yield from differences(value, observed[key], f"{place}/{key}")
            else:
                yield f"{place}/{key}: missing"
    elif isinstance(expected, list) and isinstance(observed, list) and len(expected) == len(observed):
        for number, pair in enumerate(zip(expected, observed, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif expected != observed:
        yield f"{place}: expected {expected!r}, observed {observed!r}"


@pytest.mark.parametrize("command", OBSERVERS)
def test_evidence_of_an_earlier_tree_reads_as_it_did_when_it_was_archived(
    command: str, tmp_path: Path
) -> None:
    archive = copy_archive(tmp_path / "archive")
    expected = json.loads((EXPECTED / f"{command}.json").read_text(encoding="utf-8"))
    found = list(differences(expected, observe(command, archive, tmp_path)))
    assert not found, "\n".join(found)


def test_a_changed_or_missing_value_is_found_and_an_additional_one_is_not() -> None:
    expected = {"run": {"verdict": "verified", "findings": [["note", "source", ""]]}, "gone": 1}
    observed = {"run": {"verdict": "unsigned", "findings": [["note", "journal", ""]], "more": 2}}
    assert list(differences(expected, observed)) == [
        "/run/verdict: expected 'verified', observed 'unsigned'",
        "/run/findings/0/1: expected 'source', observed 'journal'",
        "/gone: missing",
    ]
    assert list(differences([1], [1, 2])) == [": expected [1], observed [1, 2]"]
