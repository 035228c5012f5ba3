"""Findings of a scan for other programs: JUnit XML for CI, SARIF 2.1.0 for code hosts and editors."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from junitparser import Failure, JUnitXml, TestCase, TestSuite

from runbook_lib import __version__
from runbook_lib.report.safe_text import visible

if TYPE_CHECKING:
    from runbook_lib.audit.rules.base import Finding
    from runbook_lib.audit.rules.policy import Scan

__all__ = ["junit", "sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def junit(scan: Scan) -> bytes:
    """Return JUnit XML: one suite per rule, one failed case per finding, one passed case if there is none."""
    xml = JUnitXml("runbook audit scan")
    for rule in scan.policy.rules:
        suite = TestSuite(rule.name)
        found = [finding for finding in scan.findings if finding.rule == rule.name]
        for finding in found:
            case = TestCase(visible(finding.run), rule.name, 0.0)
            failure = Failure(visible(finding.message), finding.level)
            failure.text = visible(_place(finding))
            case.result = [failure]
            suite.add_testcase(case)
        if not found:
            suite.add_testcase(TestCase(f"no finding in {scan.runs} runs", rule.name, 0.0))
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call] # junitparser's own gap
    buffer = BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue()


def sarif(scan: Scan, paths: dict[str, str]) -> bytes:
    """Return SARIF 2.1.0.

    Args:
        scan: The result of a scan.
        paths: Run -> its path, relative to the archive.
    """
    rules = [
        {
            "id": selected.name,
            "shortDescription": {"text": selected.rule.purpose()},
            "defaultConfiguration": {"level": selected.rule.level},
        }
        for selected in scan.policy.rules
    ]
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    driver = {"name": "runbook audit", "version": __version__, "rules": rules}
    results = [_result(finding, numbers, paths) for finding in scan.findings]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _result(finding: Finding, numbers: dict[Any, int], paths: dict[str, str]) -> dict[str, Any]:
    place = {"uri": quote(paths.get(finding.run, finding.run)), "uriBaseId": "ARCHIVE"}
    mark = hashlib.sha256("\0".join(map(str, vars(finding).values())).encode()).hexdigest()
    return {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": finding.level,
        "message": {"text": visible(finding.message)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": place},
                "logicalLocations": [{"fullyQualifiedName": visible(_place(finding)), "kind": "member"}],
            }
        ],
        "partialFingerprints": {"runbookFinding/v1": mark},
    }


def _place(finding: Finding) -> str:
    parts = [finding.run]
    if finding.step:
        parts.append(f"step {finding.step}")
    if finding.host:
        parts.append(finding.host)
    if finding.command:
        parts.append(f"command {finding.command}")
    return " / ".join(parts)
