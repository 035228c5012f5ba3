"""Findings of a scan for other programs: JUnit XML for CI, SARIF for code hosts and editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junitparser import Failure, TestSuite

from runbook_lib.audit.rules.finding_names import name_of, place_of
from runbook_lib.audit.rules.sarif import sarif
from runbook_lib.printing.visible_text import visible
from runbook_lib.report.junit_xml import UniqueNames, junit_bytes, new_case
from runbook_lib.report.summary import counted

if TYPE_CHECKING:
    from runbook_lib.audit.rules.policy import Scan

__all__ = ["junit", "sarif"]


def junit(scan: Scan) -> bytes:
    """Return JUnit XML: one suite per rule, one failed case per finding, one passed case if there is none.

    Each case has a name of its own, which the same finding has in every scan of the same evidence.
    """
    names = UniqueNames()
    suites = []
    for rule in scan.rules:
        suite = TestSuite(rule.name)
        cases = []
        for finding in (finding for finding in scan.findings if finding.rule == rule.name):
            case = new_case(names, name_of(finding), rule.name)
            failure = Failure(visible(finding.message), finding.level)
            failure.text = visible(place_of(finding))
            case.result = [failure]
            cases.append(case)
        if not cases:
            passed = new_case(names, "no finding", rule.name)
            passed.system_out = f"{counted(scan.runs, 'run')} examined"
            cases.append(passed)
        suite.add_testcases(cases)
        suites.append(suite)
    return junit_bytes("runbook audit scan", suites)
