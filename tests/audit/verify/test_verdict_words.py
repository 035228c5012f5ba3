"""The word of a verdict is the worst finding's, and the run that it names is the newest, in whatever zone."""

from __future__ import annotations

import itertools

import pytest

from runbook_lib.audit.verify.findings import Finding, Findings, Kind
from runbook_lib.audit.verify.standalone_notebook import find_start
from runbook_lib.audit.verify.verdict import Signer, Verdict, Word, word_for
from runbook_lib.cli.audit.verify import print_verdict
from runbook_lib.evidence.notebook_records import EmbeddedRecords


@pytest.mark.parametrize("others", [*itertools.combinations(sorted(set(Kind) - {Kind.ALTERED}), 2)])
def test_altered_evidence_is_altered_whatever_else_was_found(others: tuple[Kind, ...]) -> None:
    for kinds in itertools.permutations((Kind.ALTERED, *others)):
        found = [Finding(kind=kind, part="notebook", message="x") for kind in kinds]
        assert word_for(found) is Word.ALTERED


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-11-27T10:00:00+14:00", "2026-11-26T23:00:00Z"),
        ("2026-11-27T01:00:00+02:00", "2026-11-27T00:30:00+00:00"),
        ("not a time", "2026-11-27T00:30:00Z"),
    ],
)
def test_the_newest_start_is_found_by_time_and_not_by_text(older: str, newer: str) -> None:
    starts = [{"run": "a", "started": newer}, {"run": "b", "started": older}]
    for given in (starts, starts[::-1]):
        found = find_start(EmbeddedRecords(given, [], []), Findings())
        assert found is not None
        assert found["run"] == "a"


@pytest.mark.parametrize(
    ("signers", "said"), [([], "○ unsigned: r"), (["k"], "○ unsigned by enough trusted keys: r")]
)
def test_a_run_with_signatures_is_not_called_unsigned_without_a_word_about_them(
    signers: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = [Signer(key_id=key, name="operator", valid=True, trusted=True) for key in signers]
    print_verdict(Verdict(path="p", run="r", verdict=Word.UNSIGNED, signers=signed))
    assert capsys.readouterr().out.splitlines()[0] == said
