"""JUnit never says more than the evidence, whatever a host printed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from runbook_lib.model.status import BAD, Mode, Status
from runbook_lib.report.junit import junit, write_junit
from tests.report import chapter
from tests.report.junit_rules import names, violations

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord


def counts(*runs: RunRecord) -> tuple[int, int, int, int]:
    xml = JUnitXml.fromstring(junit(list(runs)))
    return xml.tests, xml.failures, xml.errors, xml.skipped


def test_each_step_on_each_host_is_a_case(failed: RunRecord) -> None:
    assert counts(failed) == (14, 1, 0, 1)
    (suite,) = JUnitXml.fromstring(junit([failed]))
    cases = {(case.classname, case.name): case for case in suite}
    broken = cases["10_practice.host-b", "Fail where asked to"]
    assert "exited with 3: it broke" in broken.result[0].message
    assert "exit 3, not accepted" in broken.system_out
    assert "it broke" in broken.system_out
    skipped = cases["10_practice.host-b", "Afterwards"]
    assert "not attempted: step 6" in skipped.result[0].message
    assert cases["10_practice.host-a", "Afterwards"].is_passed


def test_control_characters_and_markup_survive_as_text(failed: RunRecord) -> None:
    (suite,) = JUnitXml.fromstring(junit([failed]))
    (case, _) = [case for case in suite if case.name == "Say <b>something</b> evil"]
    assert "<script>document.title='owned'</script>" in case.system_out
    assert "␇␛[31mred" in case.system_out


def test_every_character_can_be_in_an_output(well: RunRecord) -> None:
    every = "".join(
        map(chr, [*range(0x300), 0x202E, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFF])
    )
    step = well.steps[0]
    host = step.hosts[0].model_copy(update={"status": Status.FAILED, "message": every, "host": every})
    run = well.model_copy(update={"steps": [step.model_copy(update={"hosts": [host], "title": every})]})
    (suite,) = JUnitXml.fromstring(junit([run]))
    assert "\N{GRINNING FACE}" in next(iter(suite)).name


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.OK, (0, 0, 0)),
        (Status.CHANGED, (0, 0, 0)),
        (Status.PLANNED, (0, 0, 0)),
        (Status.SKIPPED, (0, 0, 1)),
        (Status.FAILED, (1, 0, 0)),
        (Status.UNREACHABLE, (0, 1, 0)),
        (Status.INTERRUPTED, (0, 1, 0)),
        (Status.UNKNOWN, (0, 1, 0)),
    ],
)
def test_each_status_has_its_result(status: Status, expected: tuple[int, int, int]) -> None:
    step = chapter.run().steps[0]
    one = step.model_copy(update={"hosts": [chapter.record("host-a", status, message="why")]})
    assert counts(chapter.run(steps=[one], status=status)) == (1, *expected)


def test_a_run_without_a_recorded_end_never_passes(cut: RunRecord) -> None:
    _, _, errors, _ = counts(cut)
    assert errors >= 1
    (suite,) = JUnitXml.fromstring(junit([cut]))
    last = list(suite)[-1]
    assert last.name == "run is complete"
    assert "cut off" in last.result[0].message


@pytest.mark.parametrize("status", sorted(set(Status) - {one for one in Status if one.is_success}))
def test_a_status_that_has_no_result_of_its_own_does_not_pass(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.report.junit._RESULTS", {})
    step = chapter.run().steps[0]
    one = step.model_copy(update={"hosts": [chapter.record("host-a", status, message="why")]})
    assert counts(chapter.run(steps=[one], status=Status.OK)) == (1, 0, 1, 0)


@pytest.mark.parametrize("status", sorted(BAD))
def test_a_run_that_did_not_succeed_does_not_pass_even_if_its_steps_do(status: Status) -> None:
    assert counts(chapter.run(status=status)) == (7, 0, 1, 0)
    assert counts(chapter.run(status=status, steps=[])) == (1, 0, 1, 0)


def test_steps_of_the_same_title_are_different_cases() -> None:
    step = chapter.run().steps[0]
    twice = [step, step.model_copy(update={"number": 2})]
    (suite,) = JUnitXml.fromstring(junit([chapter.run(steps=twice)]))
    assert len({(case.classname, case.name) for case in suite}) == 4


def test_several_runs_are_several_suites(failed: RunRecord, well: RunRecord, tmp_path: Path) -> None:
    write_junit([failed, well], tmp_path / "junit.xml")
    xml = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    # CI systems take two suites of one name for one.
    assert {suite.name for suite in xml} == {f"10_practice ({run.run})" for run in (failed, well)}
    assert xml.tests == 28


def test_each_document_is_valid_for_jenkins_xunit(failed: RunRecord, well: RunRecord, cut: RunRecord) -> None:
    for records in ([], [well], [failed, cut], [chapter.run(status=Status.UNKNOWN, steps=[])]):
        assert violations(junit(records)) == []
    # The rules do find what was wrong before.
    assert violations(b'<testsuites skipped="0"/>') == ["testsuites has 'skipped'"]


def test_a_clock_that_was_set_back_and_a_very_short_step_have_times_that_readers_expect(
    well: RunRecord,
) -> None:
    step = well.steps[0]
    hosts = [
        step.hosts[0].model_copy(
            update={"started": well.started, "ended": well.started + timedelta(seconds=seconds)}
        )
        for seconds in (-5, 0.00002)
    ]
    data = junit([well.model_copy(update={"steps": [step.model_copy(update={"hosts": hosts})]})])
    assert violations(data) == []
    (suite,) = JUnitXml.fromstring(data)
    assert [case.time for case in suite] == [0.0, 0.0]


def test_several_runs_of_a_runbook_have_cases_of_their_own_with_names_that_last() -> None:
    again = {"run": "20991231T235959Z_10_practice_abcdef"}
    for other, expected in (
        ({"mode": Mode.PLAN}, {"40_ambassador_redis (apply)", "40_ambassador_redis (plan)"}),
        (
            {"hosts": ["host-c"]},
            {"40_ambassador_redis (apply host-a,host-b)", "40_ambassador_redis (apply host-c)"},
        ),
        ({}, {f"40_ambassador_redis ({chapter.run().run})", f"40_ambassador_redis ({again['run']})"}),
    ):
        data = junit([chapter.run(), chapter.run().model_copy(update={**again, **other})])
        assert len(set(names(data))) == len(names(data)) == 12
        assert {classname.rpartition(".")[0] for classname, _ in names(data)} == expected
        assert violations(data) == []


def test_a_run_that_is_given_twice_and_titles_that_look_alike_still_have_names_of_their_own() -> None:
    step = chapter.run().steps[0]
    titles = ["a\nb", "a b", "half \ud800", "half \udfff", "", " "]
    steps = [
        step.model_copy(update={"number": number, "title": title}) for number, title in enumerate(titles, 1)
    ]
    run = chapter.run(steps=steps)
    data = junit([run, run])
    assert len(set(names(data))) == len(names(data)) == 2 * len(titles) * len(step.hosts)
