"""Findings as text for people, JSON, and SARIF 2.1.0 (OASIS)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from runbook_lib import __version__
from runbook_lib.lint.rules import RULES
from runbook_lib.printing.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_lib.lint.lint import LintResult
    from runbook_lib.lint.rules import Finding

__all__ = ["FORMATS", "as_text"]

_COLUMNS = 80
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(result: LintResult) -> str:
    """Return the findings in lines of at most 80 columns, how many notebooks were checked, and what was not checked."""
    lines = [line for finding in result.findings for line in _paragraph(finding)]
    checked, found, others = len(result.checked), len(result.findings), len(result.others)
    summary = f"{_number(found, 'finding')} in {_number(checked, 'notebook')}"
    if others:
        summary += f"; not checked, because not runbooks: {others}"
    unchecked = [visible(str(item)) for item in result.unchecked]
    return "\n".join([*lines, summary, *unchecked]) + "\n"


def _paragraph(finding: Finding) -> list[str]:
    head = f"{visible(finding.place)}: {finding.rule}"  # in one piece: an editor opens it
    body = textwrap.wrap(visible(finding.message), _COLUMNS - 4)
    hint = textwrap.wrap(f"hint: {visible(finding.hint)}", _COLUMNS - 4, subsequent_indent="  ")
    return [head, *(f"    {line}" for line in (*body, *hint))]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _as_json(result: LintResult) -> str:
    findings = [
        {
            "path": finding.path,
            "cell": finding.cell or None,
            "cell_id": finding.cell_id or None,
            "line": finding.line,
            "file_line": finding.file_line,
            "rule": finding.rule,
            "message": finding.message,
            "hint": finding.hint,
        }
        for finding in result.findings
    ]
    return orjson.dumps(findings, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _as_sarif(result: LintResult) -> str:
    names = list(RULES)
    rules = [
        {"id": name, "shortDescription": {"text": rule.summary}, "help": {"text": rule.hint}}
        for name, rule in RULES.items()
    ]
    driver = {"name": "runbook lint", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "message": {"text": visible(str(item))},
                        "associatedRule": {"id": item.rule, "index": names.index(item.rule)},
                    }
                    for item in result.unchecked
                ],
            }
        ],
        "results": [_sarif_result(finding, names.index(finding.rule)) for finding in result.findings],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _sarif_result(finding: Finding, number: int) -> dict[str, Any]:
    uri = quote(finding.path.removeprefix("./"), errors="surrogateescape")
    location = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": finding.file_line},
        },
        "logicalLocations": [{"fullyQualifiedName": visible(finding.place), "kind": "member"}],
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": number,
        "level": "error",
        "message": {"text": visible(f"{finding.message}; {finding.hint}")},
        "locations": [location],
    }


FORMATS: dict[str, Callable[[LintResult], str]] = {
    "text": as_text,
    "json": _as_json,
    "sarif": _as_sarif,
}
"""Name of a format -> function that writes it."""
