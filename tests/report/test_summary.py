"""The outcome in words never says less than the evidence, and never more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from runbook_lib.model.status import BAD, Mode, Status
from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from runbook_lib.report.summary import outcome_of_run, outcome_of_runs, seconds
from tests.report import chapter

if TYPE_CHECKING:
    from runbook_lib.model.records import RunRecord

REASON = "cell 7 raised ValueError: the approval ticket was not found"


@pytest.mark.parametrize("status", sorted(BAD))
@pytest.mark.parametrize("several", [False, True])
def test_each_report_says_why_a_run_did_not_succeed_if_no_step_does(status: Status, *, several: bool) -> None:
    run = chapter.run(status=status, message=f"{REASON}\n  hint: ask for one")
    runs = [run, chapter.run()] if several else [run]
    assert REASON in outcome_of_run(run).sentence
    document = page(runs, "Title")
    assert f'<pre class="message">{REASON}' in document
    text = markdown(runs, "Title")
    assert REASON in text.partition("## What went wrong")[2].partition("\n## ")[0]
    (suite, *_) = JUnitXml.fromstring(junit(runs))
    last = list(suite)[-1].result[0]
    assert REASON in last.message
    assert "hint: ask for one" in last.text


def test_a_reason_of_the_run_is_shown_next_to_those_of_its_steps() -> None:
    run = chapter.run(broken=[3], message=REASON)
    for text in (page([run], "Title"), markdown([run], "Title"), junit([run]).decode()):
        assert REASON in text
        assert "hop 3" in text


def test_a_run_that_succeeded_has_no_problem_to_show() -> None:
    run = chapter.run(message="approved by the operator")
    assert "What went wrong" not in page([run], "Title") + markdown([run], "Title")


def with_scripts(number: int, status: Status, mode: Mode) -> RunRecord:
    """A run in which a person sent this many shell scripts, next to a plan."""
    run = chapter.run(status=status, mode=mode)
    (host, *_) = run.steps[1].hosts
    scripts = [host.commands[0].model_copy(update={"kind": "shell", "number": n + 1}) for n in range(number)]
    planned = host.commands[0].model_copy(update={"kind": "shell", "number": 0})
    looked = run.steps[1].model_copy(
        update={"hosts": [host.model_copy(update={"commands": [*scripts, planned]})]}
    )
    return run.model_copy(update={"steps": [*run.steps, looked]})


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("status", [Status.OK, Status.CHANGED, Status.PLANNED])
def test_nothing_is_claimed_about_what_shell_scripts_changed(mode: Mode, status: Status) -> None:
    for number, said in ((1, "1 shell script was sent; what it changed"), (2, "2 shell scripts were sent")):
        run = with_scripts(number, status, mode)
        for outcome in (outcome_of_run(run), outcome_of_runs([run, run])):
            assert said.replace("1 ", "").replace("2 ", "")[:12] in outcome.sentence
            assert "is not known" in outcome.sentence
            for claim in ("nothing was changed", "no changes"):
                assert claim not in outcome.sentence.lower()
        assert said in outcome_of_run(run).sentence
    assert "shell" not in outcome_of_run(with_scripts(0, status, mode)).sentence


def test_a_duration_is_rounded_once_and_never_negative() -> None:
    assert [seconds(value) for value in (0.9994, 0.9996, 9.94, 9.96, 59.7)] == [
        "999 ms",
        "1.0 s",
        "9.9 s",
        "10 s",
        "1 min 0 s",
    ]
    run = chapter.run()
    back = run.model_copy(update={"ended": run.started - timedelta(seconds=5)})
    said = outcome_of_run(back).circumstances
    assert "took" not in said
    assert "the clock was set back" in said
    assert "the clock was set back" in page([back], "Title")


def with_skipped(status: Status, mode: Mode) -> RunRecord:
    """A run whose second step was skipped on its first host."""
    run = chapter.run(status=status, mode=mode)
    (host, *others) = run.steps[1].hosts
    skipped = host.model_copy(update={"status": Status.SKIPPED, "message": "a container has no kernel"})
    step = run.steps[1].model_copy(update={"hosts": [skipped, *others]})
    return run.model_copy(update={"steps": [run.steps[0], step, *run.steps[2:]]})


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("status", [Status.OK, Status.CHANGED, Status.PLANNED])
def test_a_run_that_skipped_steps_says_which_and_claims_no_check_of_them(mode: Mode, status: Status) -> None:
    run = with_skipped(status, mode)
    outcome = outcome_of_run(run)
    assert outcome.headline in {"Success, in part", "Plan only"}
    assert "tep 2 of " in outcome.sentence
    assert f"was skipped on {run.steps[1].hosts[0].host}: a container has no kernel." in outcome.sentence
    together = outcome_of_runs([run, chapter.run(status=status, mode=mode)])
    assert f"Steps were skipped in 1 run: {run.runbook} (1 of {len(run.steps)})." in together.sentence
    for said in (outcome, together):
        for claim in ("every check passe", "no changes were needed", "no changes are needed"):
            assert claim not in said.sentence.lower()
        assert said.headline != "Success"


def test_a_plan_does_not_say_what_apply_will_send() -> None:
    sentence = outcome_of_run(chapter.run(status=Status.PLANNED, mode=Mode.PLAN)).sentence
    assert "would send" not in sentence
    assert "mode apply plans each step again" in sentence


def test_changes_are_counted_in_steps_as_on_the_terminal() -> None:
    run = chapter.run(status=Status.CHANGED)
    changed = [step for step in run.steps if any(host.status is Status.CHANGED for host in step.hosts)]
    said = outcome_of_run(run).sentence
    assert said.startswith(f"{len(changed)} of {len(run.steps)} steps made changes")


def test_an_interrupted_run_says_how_it_is_resumed() -> None:
    run = chapter.run(status=Status.INTERRUPTED, mode=Mode.APPLY)
    said = outcome_of_run(run).sentence
    assert "no further step was begun" in said
    assert said.endswith(f". `runbook run --resume {run.run}` continues it.")
    assert "--resume" not in outcome_of_run(chapter.run(status=Status.INTERRUPTED, mode=Mode.PLAN)).sentence
