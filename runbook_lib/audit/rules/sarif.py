"""Findings of a scan as SARIF 2.1.0, for code hosts and editors, within what GitHub accepts.

Sources: OASIS SARIF 2.1.0; GitHub's "SARIF support for code scanning", and its page on results that exceed limits.
"""

from __future__ import annotations

import gzip
import importlib.metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson

from runbook_lib import __version__
from runbook_lib.audit.rules.finding_names import fingerprints, place_of
from runbook_lib.evidence.layout import JOURNAL
from runbook_lib.evidence.path_text import path_from_text
from runbook_lib.printing.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runbook_lib.audit.rules.base import Finding
    from runbook_lib.audit.rules.policy import Scan, SelectedRule

__all__ = ["MOST_BYTES", "MOST_RESULTS", "file_of_run", "sarif"]

MOST_RESULTS = 25_000
"""Results that GitHub accepts in one file."""
MOST_BYTES = 10_000_000
"""Bytes of a file, compressed with gzip, that GitHub accepts."""
_LONGEST = 2_000  # characters of a message
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_FORMAT = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/"
_ARCHIVE = "ARCHIVE"
_SEVERITY = {"error": 0, "warning": 1, "note": 2}


def file_of_run(path: str, kind: str) -> str:
    """Return the file, relative to the archive, that shows a run: its journal, or its notebook.

    Args:
        path: The run's path in the archive.
        kind: Its kind in the table `files`.
    """
    if kind != "run":
        return path
    return JOURNAL if path == "." else f"{path}/{JOURNAL}"


def sarif(
    scan: Scan,
    paths: Mapping[str, str],
    archive: str = "",
    *,
    most_results: int = MOST_RESULTS,
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """Return SARIF 2.1.0; of more than GitHub accepts, the most severe findings, and a notification that says so.

    Args:
        scan: The result of a scan.
        paths: Run -> the file that shows it, relative to the archive.
        archive: The archive's address; empty: the file does not say where the archive is.
        most_results: How many results its reader accepts.
        most_bytes: How large a file its reader accepts, compressed with gzip.
    """
    marked = list(zip(scan.findings, fingerprints(scan.findings), strict=True))
    marked.sort(key=lambda pair: _SEVERITY[pair[0].level])  # in the order of the rules otherwise
    kept = min(len(marked), most_results)
    while True:
        data = _render(scan, marked[:kept], paths, archive)
        if len(gzip.compress(data, compresslevel=6, mtime=0)) <= most_bytes or not kept:
            return data
        kept //= 2


def _render(
    scan: Scan, marked: Sequence[tuple[Finding, str]], paths: Mapping[str, str], archive: str
) -> bytes:
    rules = [_rule(selected) for selected in scan.rules]
    numbers = {selected.name: number for number, selected in enumerate(scan.rules)}
    run = {
        "tool": {
            "driver": {
                "name": "runbook audit",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": _information(),
                "rules": rules,
            }
        },
        "invocations": [_invocation(len(marked), len(scan.findings))],
        "originalUriBaseIds": {_ARCHIVE: _base(archive)},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, mark, numbers, paths) for finding, mark in marked],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _information() -> str:
    """Return the project's page, as the installed package declares it; else the format's, which explains the file."""
    declared = importlib.metadata.metadata("runbook-lib").get_all("Project-URL") or []
    pages = [entry.partition(",")[2].strip() for entry in declared]
    return next((page for page in pages if "://" in page), _FORMAT)


def _rule(selected: SelectedRule) -> dict[str, Any]:
    """Return a rule with the texts that GitHub shows next to each of its findings."""
    rule = selected.rule
    purpose = f"{rule.purpose()}."
    settings = {name: value for name, value in rule.model_dump(mode="json").items() if name != "level"}
    fields = type(rule).model_fields
    lines = [
        f"{name}: {orjson.dumps(value).decode()} ({fields[name].description or name})"
        for name, value in settings.items()
    ]
    rows = [f"- `{line.partition(':')[0]}`:{line.partition(':')[2]}" for line in lines]
    heading = "Settings of this rule in the policy:" if lines else "The policy gives this rule no settings."
    return {
        "id": selected.name,
        "name": type(rule).__name__,
        "shortDescription": {"text": purpose},
        "fullDescription": {"text": _cut(" ".join((type(rule).__doc__ or purpose).split()))},
        "help": {
            "text": visible("\n".join((purpose, "", heading, *lines))),
            "markdown": visible("\n".join((f"**{selected.name}**: {purpose}", "", heading, "", *rows))),
        },
        "defaultConfiguration": {"level": rule.level},
        "properties": {
            "tags": ["audit", "runbook"],
            "precision": "high",
            "problem.severity": _problem(rule.level),
        },
    }


def _problem(level: str) -> str:
    return "recommendation" if level == "note" else level


def _invocation(kept: int, found: int) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if kept < found:
        text = f"{kept} of {found} findings are in this file, the most severe ones: GitHub accepts no more"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    return invocation


def _base(archive: str) -> dict[str, Any]:
    base: dict[str, Any] = {"description": {"text": "The archive's top directory."}}
    parts = urlsplit(archive)
    if "://" in archive:
        host = parts.netloc.rpartition("@")[2]  # never a user name or a password
        base["uri"] = f"{parts.scheme}://{host}{quote(parts.path.rstrip('/'))}/"
    elif archive:
        base["uri"] = f"file://{_uri(archive.rstrip('/'))}/"
    return base


def _result(
    finding: Finding, mark: str, numbers: Mapping[str, int], paths: Mapping[str, str]
) -> dict[str, Any]:
    place = {"uri": _uri(paths.get(finding.run, finding.run)), "uriBaseId": _ARCHIVE}
    return {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": finding.level,
        "message": {"text": _cut(finding.message) or finding.rule},
        "locations": [
            {
                # GitHub shows no finding without a region; the logical location says where it really is.
                "physicalLocation": {"artifactLocation": place, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": visible(place_of(finding)), "kind": "member"}],
            }
        ],
        # GitHub knows a finding again by the second only.
        "partialFingerprints": {"runbookFinding/v1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"},
    }


def _uri(path: str) -> str:
    """Return a path as a URI reference; bytes of a name that are not text are encoded as they are."""
    return quote(path_from_text(path.removeprefix("./")), errors="surrogateescape")


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
