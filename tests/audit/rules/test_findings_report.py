"""Findings in files for other programs: names that last, SARIF within GitHub's limits, and any character."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.audit.rules.base import Finding
from runbook_lib.audit.rules.finding_names import fingerprints
from runbook_lib.audit.rules.findings_report import junit
from runbook_lib.audit.rules.policy import Policy, Scan, SelectedRule
from runbook_lib.audit.rules.registry import BUILT_IN, rule_class
from runbook_lib.audit.rules.sarif import file_of_run, sarif
from tests.report.junit_rules import names, violations

if TYPE_CHECKING:
    from pathlib import Path

RULES: dict[str, Any] = {
    "forbidden-command": {"patterns": ["curl .*\\| *sh", "chmod 777"]},
    "command-outside-step": {},
}
EVERY = "".join(
    map(chr, [*range(0x300), 0x2028, 0x202E, 0xD800, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFF])
)


def policy(**settings: Any) -> Policy:  # noqa: ANN401 - YAML
    chosen = settings or RULES
    return Policy([SelectedRule(name, rule_class(name)(**given)) for name, given in chosen.items()])


def findings() -> list[Finding]:
    """24 findings in three runs: in each, two commands match both patterns, and four came from no step."""
    found = []
    for run in ("run-a", "run-b", "run-c"):
        for number in (3, 4):
            for pattern in RULES["forbidden-command"]["patterns"]:
                message = f"command {number} matches the forbidden pattern {pattern!r}"
                found.append(
                    Finding("forbidden-command", "error", run, message, 1, "host-a", number, pattern)
                )
        for number in (3, 4, 5, 6):
            message = f"command {number} is a shell command: no operation planned or checked it"
            found.append(Finding("command-outside-step", "note", run, message, 1, "host-a", number, ""))
    return found


def test_24_findings_have_24_names_and_keep_them_in_the_next_scan() -> None:
    first = junit(Scan(policy(), findings(), 3))
    assert violations(first) == []
    assert len(set(names(first))) == len(names(first)) == 25  # with that of the rule of every scan

    later = [Finding(**{**vars(finding), "level": "warning"}) for finding in findings()]
    later.insert(
        0, Finding("forbidden-command", "error", "run-0", "command 1 matches", 1, "host-a", 1, "chmod 777")
    )
    random.Random(11).shuffle(later)  # noqa: S311 - nothing secret
    assert set(names(junit(Scan(policy(), later, 4)))) > set(names(first))
    assert set(fingerprints(later)) > set(fingerprints(findings()))
    assert len(set(fingerprints(later))) == 25


def test_findings_that_nothing_distinguishes_still_have_names_and_fingerprints_of_their_own() -> None:
    twins = [
        Finding("forbidden-command", "error", "run", f"half {half}") for half in ("\ud800", "\udfff")
    ] * 2
    data = junit(Scan(policy(), twins, 1))
    assert len(set(names(data))) == 6  # with those of two rules that found nothing
    assert len(set(fingerprints(twins))) == 4
    assert violations(data) == []


def test_a_rule_that_found_nothing_keeps_the_name_of_its_case() -> None:
    assert names(junit(Scan(policy(), [], 3))) == names(junit(Scan(policy(), [], 4)))


@pytest.mark.parametrize("rule", sorted(BUILT_IN))
def test_a_rule_in_sarif_has_the_texts_that_github_shows(rule: str) -> None:
    needed: dict[str, dict[str, Any]] = {
        "forbidden-command": {"patterns": ["x"]},
        "host-outside-inventory": {"inventory": "i.yml"},
        "validate-too-old": {"days": 3},
    }
    (_, described) = run_of(Scan(policy(**{rule: needed.get(rule, {})}), [], 0))["tool"]["driver"]["rules"]
    for name in ("shortDescription", "fullDescription", "help"):
        assert described[name]["text"].strip()
    assert described["help"]["markdown"].startswith(f"**{rule}**")
    assert len(described["properties"]["tags"]) <= 10
    for setting in needed.get(rule, {}):
        assert setting in described["help"]["text"]
        assert f"`{setting}`" in described["help"]["markdown"]


def run_of(scan: Scan, *given: Any, **limits: Any) -> dict[str, Any]:  # noqa: ANN401 - as `sarif`
    (run,) = json.loads(sarif(scan, *(given or ({},)), **limits))["runs"]
    return dict(run)


def test_sarif_says_where_and_is_known_again_by_github() -> None:
    paths = {"run-a": file_of_run("a b/ü:1", "run"), "run-b": file_of_run("x/out.ipynb", "notebook")}
    run = run_of(Scan(policy(), findings(), 3), paths, "/srv/my runs")
    assert run["tool"]["driver"]["informationUri"].startswith("https://")
    assert run["originalUriBaseIds"]["ARCHIVE"]["uri"] == "file:///srv/my%20runs/"
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]
    }
    assert uris == {"a%20b/%C3%BC%3A1/journal.jsonl", "x/out.ipynb", "run-c"}
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(marks)) == 24
    for result in run["results"]:
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1


@pytest.mark.parametrize(
    ("archive", "uri"),
    [
        ("s3://bucket/runs/", "s3://bucket/runs/"),
        ("ftp://user:password@host/x", "ftp://host/x/"),
        ("/", "file:///"),
        ("", None),
    ],
)
def test_the_archives_address_in_sarif_has_no_password(archive: str, uri: str | None) -> None:
    assert run_of(Scan(policy(), [], 0), {}, archive)["originalUriBaseIds"]["ARCHIVE"].get("uri") == uri


def test_more_findings_than_github_accepts_are_cut_with_a_word() -> None:
    run = run_of(Scan(policy(), findings()[::-1], 3), most_results=5)
    assert [result["level"] for result in run["results"]] == ["error"] * 5
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("5 of 24 findings are in this file")


def test_a_file_larger_than_github_accepts_is_cut_with_a_word() -> None:
    run = run_of(Scan(policy(), findings(), 3), most_bytes=2_000)
    assert 0 < len(run["results"]) < 24
    assert f"{len(run['results'])} of 24 findings" in str(run["invocations"])


def test_every_character_can_be_in_a_finding(tmp_path: Path) -> None:
    finding = Finding("forbidden-command", "error", EVERY, EVERY, 1, EVERY, 1, EVERY)
    scan = Scan(policy(), [finding], 1)
    assert violations(junit(scan)) == []
    data = sarif(scan, {EVERY: "dir/latin\udce9\n\x1b.ipynb"})
    (tmp_path / "out.sarif").write_bytes(data)
    text = (tmp_path / "out.sarif").read_text(encoding="utf-8")
    assert not any(
        "\x7f" <= character < "\xa0" or character in "\x1b\u202e\ufdd0\uffff" for character in text
    )
    (result,) = json.loads(text)["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "dir/latin%E9%0A%1B.ipynb"
