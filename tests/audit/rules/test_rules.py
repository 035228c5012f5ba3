"""Rules over real runs: what a policy looks for is found, and a secret is never repeated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from junitparser import JUnitXml

from runbook_lib import Runbook
from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.rules.base import Context
from runbook_lib.audit.rules.findings_report import junit, sarif
from runbook_lib.audit.rules.policy import Policy, Scan, scan
from runbook_lib.audit.rules.registry import BUILT_IN, GROUP, rule_class, rule_names
from runbook_lib.audit.rules.runs import ValidateTooOld
from runbook_lib.audit.rules.secrets import find_secrets
from runbook_lib.errors import InputError
from tests.architecture.package_source import TOP
from tests.entry_points import write_package
from tests.report import practice

if TYPE_CHECKING:
    from pathlib import Path

# The form in which the book's registry settings hold a key (S1); these are documentation's own examples.
S3_KEY = "AKIA" + "IOSFODNN7EXAMPLE"
S3_SECRET = "wJalrXUtnFEMI" + "/K7MDENG/bPxRfiCYEXAMPLEKEY"


def written(path: Path, rules: dict[str, Any], **more: Any) -> Path:  # noqa: ANN401 - YAML
    path.write_text(yaml.safe_dump({"rules": rules, **more}, sort_keys=False), encoding="utf-8")
    return path


def found(archive: Archive, tmp_path: Path, rules: dict[str, Any], **more: Any) -> Scan:  # noqa: ANN401 - YAML
    return scan(archive, Policy.load(written(tmp_path / "policy.yml", rules, **more)))


@pytest.fixture
def leaking(tmp_path: Path) -> Archive:
    """A run on this machine whose command prints registry settings with literal keys."""
    text = f"s3_access_key: {S3_KEY}\ns3_secret_key: {S3_SECRET}\ns3_bucket: acme-docker\n"
    asked = practice.parameters(tmp_path)
    book = Runbook.open(asked)
    book.step("Show the registry's settings", practice.Says(("printf", "%s", text)))
    book.shell("host-a", "echo password = hunter2hunter2")
    book.close()
    return Archive(tmp_path / "runs", cache=tmp_path / "cache")


def test_a_plan_before_an_apply_is_enough_and_its_lack_is_found(archive: Archive, tmp_path: Path) -> None:
    assert found(archive, tmp_path, {"apply-without-plan": None}).findings == []
    only = found(
        archive, tmp_path, {"apply-without-plan": {"within_hours": 1}}, since=datetime.now(UTC).isoformat()
    )
    assert only.runs == 0


def test_an_apply_without_a_plan_is_found(leaking: Archive, tmp_path: Path) -> None:
    (finding,) = found(leaking, tmp_path, {"apply-without-plan": {"level": "warning"}}).findings
    assert "without a plan" in finding.message
    assert finding.level == "warning"


def test_an_apply_that_nobody_signed_is_found(archive: Archive, tmp_path: Path) -> None:
    findings = found(archive, tmp_path, {"unsigned-apply": None}).findings
    assert len(findings) == 3
    assert all(
        re.match(r"the evidence of 10_practice is (unsigned|incomplete): ", finding.message)
        for finding in findings
    )


def test_source_that_is_not_committed_is_found(leaking: Archive, tmp_path: Path) -> None:
    (run,) = leaking.runs.to_dict("records")
    clean = json.loads(run["source"]).get("uncommitted") is False
    findings = found(leaking, tmp_path, {"uncommitted-source": None}).findings
    assert (findings == []) is clean


def test_the_books_literal_s3_keys_are_found_and_never_repeated(leaking: Archive, tmp_path: Path) -> None:
    result = found(leaking, tmp_path, {"secret-in-output": None})
    assert {(finding.host, "output" in finding.message) for finding in result.findings} >= {("host-a", True)}
    assert sum("S3 storage key" in finding.message for finding in result.findings) >= 4
    everything = junit(result) + sarif(result, {}) + repr(result.findings).encode()
    for secret in (S3_KEY, S3_SECRET, "hunter2"):
        assert secret.encode() not in everything


def test_a_line_that_is_known_to_be_harmless_is_ignored(leaking: Archive, tmp_path: Path) -> None:
    rules = {"secret-in-output": {"ignore": ["s3_", "printf", "hunter2"]}}
    assert found(leaking, tmp_path, rules).findings == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"accesskey: {S3_KEY}", True),
        (f'REGISTRY_STORAGE_S3_SECRETKEY="{S3_SECRET}"', True),
        (f"secret_key={S3_SECRET}", True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", True),
        ("https://user:s3cr3tpassw0rd@registry.example/", True),
        ("secretkey: env:S3_SECRET", False),
        ("accesskey: ${S3_ACCESS_KEY}", False),
        ("password: ${db_password}", False),
        ("password: ${S3_PASSWORD:-}", False),
        ("password=$S3_PASSWORD", False),
        ('password = "$ecretPa55word"', True),
        ('password = "$Tr0ubadour.and.3"', True),
        ('password = "$db_password"', False),
        ('echo "password: $pass" > file', False),
        ("sha256:05e1cd1448d9a1215f876b80d7b4f4ad3a91de28911f0c6727b58abe2ead672e", False),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ example", False),
        ("nothing to see", False),
    ],
)
def test_what_looks_like_a_secret(text: str, *, secret: bool) -> None:
    assert bool(find_secrets(text)) is secret


def test_forbidden_commands_and_free_shell_are_found(leaking: Archive, tmp_path: Path) -> None:
    result = found(
        leaking, tmp_path, {"forbidden-command": {"patterns": ["hunter[0-9]"]}, "command-outside-step": None}
    )
    assert [(finding.rule, finding.step, finding.host) for finding in result.findings] == [
        ("forbidden-command", 2, "host-a"),
        ("command-outside-step", 2, "host-a"),
    ]


def test_hosts_outside_the_inventory_are_found(archive: Archive, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("hosts:\n  host-a: {connection: local}\n", encoding="utf-8")
    result = found(archive, tmp_path, {"host-outside-inventory": {"inventory": str(inventory)}})
    assert {finding.host for finding in result.findings} == {"host-b"}
    with pytest.raises(InputError):
        found(archive, tmp_path, {"host-outside-inventory": {"inventory": "nowhere.yml"}})


def test_hosts_that_were_validated_too_long_ago_or_never_are_found(tmp_path: Path) -> None:
    practice.run(practice.parameters(tmp_path))
    archive = Archive(tmp_path / "runs", cache=tmp_path / "cache")
    rule = ValidateTooOld(days=30, runbooks=["10_practice"])
    now = datetime.now(UTC)
    assert "never" in next(rule.find(Context(archive, now))).message
    practice.run(practice.parameters(tmp_path, mode="validate"))
    archive = Archive(tmp_path / "runs", cache=tmp_path / "cache")
    now = datetime.now(UTC)
    assert list(rule.find(Context(archive, now))) == []
    later = list(rule.find(Context(archive, now + timedelta(days=40))))
    assert {finding.host for finding in later} == {"host-a", "host-b"}


BAD = {
    "rules: {no-such-rule: null}": "unknown rule 'no-such-rule'",
    "rules: {unsigned-apply: [1]}": "not a mapping",
    "rules: {validate-too-old: {}}": "'days' is missing",
    "rules: {validate-too-old: {days: many}}": "'days'",
    "rules: {unsigned-apply: {levl: error}}": "did you mean 'level'",
    "rules: {forbidden-command: {patterns: ['(']}}": "not a regular expression",
    "rules: {}": "no rules",
    "rule: {}": "unknown name 'rule'",
    "rules: {unsigned-apply: null}\nsince: yesterday": "is not a date",
    "rules: [": "malformed YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_policy_is_refused_with_file_and_reason(text: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=BAD[text]) as refused:
        Policy.load(tmp_path / "policy.yml")
    assert "policy.yml" in str(refused.value)


def test_the_projects_own_policy_is_sound_and_every_rule_says_what_it_is_for() -> None:
    policy = Policy.load(TOP / "params" / "audit" / "policy.yml")
    assert {selected.name for selected in policy.rules} <= set(BUILT_IN)
    assert all(rule_class(name).purpose() for name in BUILT_IN)


def test_the_built_in_rules_are_those_that_the_project_declares_as_entry_points() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == BUILT_IN
    assert set(rule_names()) >= set(BUILT_IN)


OTHER_RULES = """
from pydantic import Field
from runbook_lib.audit.rules.base import AuditRule, Violation

class RunByOperator(AuditRule):
    \"\"\"A run by an operator who may not run anything.\"\"\"

    operators: list[str] = Field(min_length=1)

    def find(self, context):
        for row in context.rows("SELECT run, operator FROM examined WHERE list_contains(?, operator)", self.operators):
            yield Violation(row["run"], f"run by {row['operator']}")

class NotARule:
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of an installed package that adds rules."""
    directory = tmp_path / "site-packages"
    directory.mkdir()
    rules = {"run-by-operator": "other_rules:RunByOperator", "broken-rule": "other_rules:NotARule"}
    write_package(directory, "other_rules", OTHER_RULES, {GROUP: rules})
    monkeypatch.syspath_prepend(directory)
    return directory


def test_another_package_adds_a_rule_with_an_entry_point(
    evidence: Path, archive: Archive, package: Path, tmp_path: Path
) -> None:
    operators = sorted(set(archive.runs["operator"]))
    policy = written(tmp_path / "policy.yml", {"run-by-operator": {"operators": operators, "level": "note"}})
    command = [sys.executable, "-m", "runbook_lib.cli.main", "audit", "scan", str(evidence)]
    done = subprocess.run(
        [*command, "--policy", str(policy), "--cache", str(tmp_path / "cache"), "--format", "json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    findings = json.loads(done.stdout)
    assert {(finding["rule"], finding["level"]) for finding in findings} == {("run-by-operator", "note")}
    assert {finding["message"] for finding in findings} == {f"run by {name}" for name in operators}


@pytest.mark.usefixtures("package")
def test_a_rule_of_another_package_is_validated_like_a_built_in_one(tmp_path: Path) -> None:
    assert "run-by-operator" in rule_names()
    with pytest.raises(InputError, match="'operators' is missing"):
        Policy.load(written(tmp_path / "policy.yml", {"run-by-operator": None}))
    with pytest.raises(
        InputError, match=r"not a class derived from runbook_lib\.audit\.rules\.base\.AuditRule"
    ):
        Policy.load(written(tmp_path / "policy.yml", {"broken-rule": None}))


def test_sarif_has_what_its_readers_need(archive: Archive, tmp_path: Path) -> None:
    result = found(archive, tmp_path, {"unsigned-apply": None, "secret-in-output": None})
    paths = {row["run"]: row["path"] for row in archive.files.to_dict("records")}
    log = json.loads(sarif(result, paths))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["evidence-not-readable", "unsigned-apply", "secret-in-output"]
    assert len(run["results"]) == len(result.findings)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert (archive.location.name and place["uri"]) in paths.values()
    marks = [result["partialFingerprints"]["runbookFinding/v1"] for result in run["results"]]
    assert len(set(marks)) == len(marks)


def test_junit_fails_for_each_finding_and_passes_for_a_rule_without(archive: Archive, tmp_path: Path) -> None:
    result = found(archive, tmp_path, {"unsigned-apply": None, "command-outside-step": None})
    xml = JUnitXml.fromstring(junit(result))
    assert (xml.tests, xml.failures) == (5, 3)


def test_the_exit_code_tells_whether_anything_was_found(evidence: Path, tmp_path: Path) -> None:
    codes = {}
    for name in ("unsigned-apply", "command-outside-step", "no-such-rule"):
        policy = written(tmp_path / f"{name}.yml", {name: None})
        command = [sys.executable, "-m", "runbook_lib.cli.main", "audit", "scan", str(evidence)]
        done = subprocess.run(
            [*command, "--policy", str(policy), "--cache", str(tmp_path / "cache")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        codes[name] = done.returncode
        assert "Traceback" not in done.stderr
    assert codes == {"unsigned-apply": 1, "command-outside-step": 0, "no-such-rule": 2}
