"""JUnit never says more than the evidence, whatever a host printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from runbook_lib.model.status import Status
from runbook_lib.report.junit import junit, write_junit
from tests.report import chapter

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
    every = "".join(map(chr, [*range(0x300), 0x202E, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1F600]))
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


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.INTERRUPTED, Status.FAILED])
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
    assert [suite.name for suite in xml] == ["10_practice", "10_practice"]
    assert xml.tests == 28
