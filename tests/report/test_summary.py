"""The outcome in words never says less than the evidence, and never more."""

from __future__ import annotations

import pytest
from junitparser import JUnitXml

from runbook_lib.model.status import BAD, Status
from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from runbook_lib.report.summary import outcome_of_run
from tests.report import chapter

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
