"""A scan passes no evidence that its rules could not examine, and no host that nobody validated since an apply."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from junitparser import JUnitXml

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.archive.batch_reader import read_batch
from runbook_lib.audit.archive.location import LocalLocation
from runbook_lib.audit.rules.base import Context
from runbook_lib.audit.rules.policy import Policy, Scan, scan
from runbook_lib.audit.rules.runs import ValidateTooOld
from runbook_lib.cli.main import cli
from runbook_lib.evidence.journal_view import NO_JOURNAL_END
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.report.junit import write_junit
from tests.audit.altering import Data, edit_notebook, forge_journal, journal, kill_before_end, put_journal

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = Path(__file__).parents[2] / "evidence" / "old_archive" / "runs"
APPLY = "20261126T003453Z_30_bridge_br0_e05c41"
VALIDATION = "20261126T003511Z_90_validate_0f7fad"
RULES: dict[str, Any] = {"forbidden-command": {"patterns": ["br0"]}, "unsigned-apply": {}}
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """An archive with one apply, which a test may change."""
    shutil.copytree(RUNS / APPLY, tmp_path / "runs" / APPLY)
    return tmp_path / "runs"


def policy_file(tmp_path: Path, rules: dict[str, Any], **more: Any) -> Path:  # noqa: ANN401 - YAML
    file = tmp_path / "policy.yml"
    file.write_text(yaml.safe_dump({"rules": rules, **more}), encoding="utf-8")
    return file


def scanned(runs: Path, tmp_path: Path, rules: dict[str, Any] = RULES, **more: Any) -> Scan:  # noqa: ANN401 - YAML
    archive = Archive(runs, cache=tmp_path / "cache")
    return scan(archive, Policy.load(policy_file(tmp_path, rules, **more)))


def unreadable(scan: Scan) -> list[tuple[str, str, str]]:
    """Return run, level and message of the findings about unreadable evidence."""
    rule = "evidence-not-readable"
    return [(one.run, one.level, one.message) for one in scan.findings if one.rule == rule]


def altered(run: Path, line: int) -> None:
    lines = journal(run)
    lines[line - 1] = lines[line - 1].replace(b'"event"', b'"evenT"')
    put_journal(run, lines)


def without_evidence(run: Path) -> None:
    for name in ("journal.jsonl", "notebook.ipynb"):
        (run / name).unlink()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "line 1 was altered": lambda run: altered(run, 1),
    "line 3 was altered": lambda run: altered(run, 3),
    "is cut off": lambda run: (run / "journal.jsonl").write_bytes((run / "journal.jsonl").read_bytes()[:-9]),
    "does not follow": lambda run: put_journal(run, journal(run)[:3] + journal(run)[4:]),
    "line 1 is not JSON": lambda run: (run / "journal.jsonl").write_bytes(b"\0\n"),
    "no such file": without_evidence,
    "does not fit its steps": lambda run: forge_journal(run, lambda entries: entries[-1].update(status="ok")),
}


@pytest.mark.parametrize("problem", DAMAGE)
def test_evidence_that_no_rule_can_examine_is_an_error(problem: str, runs: Path, tmp_path: Path) -> None:
    assert unreadable(scanned(runs, tmp_path)) == []
    DAMAGE[problem](runs / APPLY)
    for more in ({}, {"since": "2030-01-01"}):
        result = scanned(runs, tmp_path, {"command-outside-step": {"level": "note"}}, **more)
        ((run, level, message),) = unreadable(result)
        assert (run.removesuffix("/journal.jsonl"), level, result.runs) == (APPLY, "error", 0)
        assert problem in message


def test_a_scan_of_damaged_evidence_is_green_in_no_format(runs: Path, tmp_path: Path) -> None:
    altered(runs / APPLY, 1)
    policy = policy_file(tmp_path, RULES, since="2030-01-01")
    outputs = {}
    for form in ("table", "json", "junit", "sarif"):
        command = ["audit", "scan", str(runs), "--policy", str(policy), "--cache", str(tmp_path / "cache")]
        done = CliRunner().invoke(cli, [*command, "--format", form], standalone_mode=False)
        assert done.return_value == 1, form
        outputs[form] = done.output
    assert "1 finding: 2 rules, 0 runs" in outputs["table"]
    xml = JUnitXml.fromstring(outputs["junit"].encode())
    assert xml.failures == 1
    (run,) = json.loads(outputs["sarif"])["runs"]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "evidence-not-readable"
    assert result["level"] == "error"


def test_a_run_without_an_end_and_the_copy_of_a_run_are_no_findings(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / APPLY, runs / "copy" / APPLY)
    kill_before_end(runs / APPLY)
    kill_before_end(runs / "copy" / APPLY)
    result = scanned(runs, tmp_path)
    assert (unreadable(result), result.runs) == ([], 1)


def cut(run: Path, lines: int, *, keep: str) -> None:
    """Remove the last lines of a journal, and all of the run that knows them but one file."""
    put_journal(run, journal(run)[:-lines])
    if keep != "notebook.ipynb":
        (run / "notebook.ipynb").unlink()
    if keep != "attestation.json":
        (run / "attestation.json").unlink()


@pytest.mark.parametrize(
    ("lines", "keep", "proof"),
    [
        (1, "notebook.ipynb", "notebook.ipynb shows the end of the run"),
        (8, "notebook.ipynb", "shows the end of the run; notebook.ipynb shows the end of step "),
        (1, "attestation.json", "attestation.json seals another state of the journal"),
        (1, "junit.xml", "junit.xml was made when the run had ended"),
        (3, "junit.xml", "junit.xml was made when the run had ended"),
    ],
)
def test_a_journal_without_its_last_lines_is_an_error_if_anything_else_of_the_run_knows_them(
    lines: int, keep: str, proof: str, runs: Path, tmp_path: Path
) -> None:
    if keep == "junit.xml":
        write_junit([judged_record(runs / APPLY)], runs / APPLY / keep)
    cut(runs / APPLY, lines, keep=keep)
    ((run, level, message),) = unreadable(scanned(runs, tmp_path))
    assert (run, level) == (APPLY, "error")
    assert (
        "no rule could examine all of this evidence: lines at the end of the journal are missing: " in message
    )
    assert proof in message


@pytest.mark.parametrize("keep", ["notebook.ipynb", "attestation.json", "junit.xml"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"payload": "e30="}', b"\xff", b'<property name="run" value="x"']
)
def test_what_cannot_be_read_proves_nothing(keep: str, content: bytes, runs: Path, tmp_path: Path) -> None:
    cut(runs / APPLY, 1, keep=keep)
    (runs / APPLY / keep).write_bytes(content)
    assert unreadable(scanned(runs, tmp_path)) == []


def test_a_run_that_goes_on_while_it_is_read_has_lost_nothing(runs: Path) -> None:
    whole = (runs / APPLY / "journal.jsonl").read_bytes()
    cut(runs / APPLY, 1, keep="notebook.ipynb")

    @dataclass(frozen=True)
    class Growing(LocalLocation):
        def read(self, file: str) -> bytes:
            data = super().read(file)
            if file.endswith("journal.jsonl"):
                (runs / APPLY / "journal.jsonl").write_bytes(whole)
            return data

    location = Growing(runs)
    batch = read_batch(location, list(enumerate(location.walk())))
    assert [result.problem for result in batch.results] == [NO_JOURNAL_END]


def test_a_standalone_notebook_without_the_record_of_a_step_is_an_error(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    notebook = runs / "standalone.ipynb"
    shutil.copy(RUNS / "standalone" / "run_not_archived.ipynb", notebook)
    assert unreadable(scanned(runs, tmp_path)) == []

    def without_first_step(content: Data) -> None:
        cells = [one for one in content["cells"] if "runbook.step" in json.dumps(one.get("outputs"))]
        cells[0]["outputs"] = []

    edit_notebook(notebook, without_first_step)
    ((_, _, message),) = unreadable(scanned(runs, tmp_path))
    assert "the run had 1 steps, the notebook has records of 0" in message


def test_evidence_that_disappears_before_the_scan_is_a_finding_of_the_inventory_rule(
    runs: Path, tmp_path: Path
) -> None:
    archive = Archive(runs, cache=tmp_path / "cache")
    hosts = "\n".join(f"  {name}: {{connection: local}}" for name in ("host-a", "host-b"))
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(f"hosts:\n{hosts}\n", encoding="utf-8")
    rules = {"host-outside-inventory": {"inventory": str(inventory)}}
    (runs / APPLY / "journal.jsonl").unlink()
    result = scan(archive, Policy.load(policy_file(tmp_path, rules)))
    (finding,) = result.findings
    assert "cannot be compared: cannot be read: No such file" in finding.message


def validation_findings(runs: Path, tmp_path: Path, now: datetime = NOW) -> dict[str, str]:
    archive = Archive(runs, cache=tmp_path / "cache")
    return {one.host: one.message for one in ValidateTooOld(days=30).find(Context(archive, now))}


@pytest.mark.parametrize("status", ["failed", "interrupted", "unreachable", "unknown"])
def test_an_apply_that_did_not_end_well_needs_a_validation_too(
    status: str, runs: Path, tmp_path: Path
) -> None:
    def end_as(entries: list[Data]) -> None:
        entries[-1]["status"] = status

    if status == "unknown":
        put_journal(runs / APPLY, journal(runs / APPLY)[:-1])
    else:
        forge_journal(runs / APPLY, end_as)
    found = validation_findings(runs, tmp_path)
    assert found
    assert all("never validated" in message for message in found.values())


def test_only_a_validation_after_the_apply_and_before_the_scan_counts(runs: Path, tmp_path: Path) -> None:
    changed = set(validation_findings(runs, tmp_path))
    assert changed
    shutil.copytree(RUNS / VALIDATION, runs / VALIDATION)
    assert validation_findings(runs, tmp_path) == {}

    def started(moment: datetime) -> Callable[[list[Data]], None]:
        return lambda entries: entries[0].update(started=moment.isoformat())

    forge_journal(runs / VALIDATION, started(NOW - timedelta(days=10)))
    found = validation_findings(runs, tmp_path)
    assert set(found) == changed
    assert all("not validated successfully since" in message for message in found.values())
    forge_journal(runs / VALIDATION, started(NOW + timedelta(days=400)))
    found = validation_findings(runs, tmp_path)
    assert set(found) == changed
    assert all("never validated" in message for message in found.values())


def test_a_plan_needs_no_validation(runs: Path, tmp_path: Path) -> None:
    shutil.rmtree(runs / APPLY)
    plan = "20261126T003431Z_20_docker_install_98985f"
    shutil.copytree(RUNS / plan, runs / plan)
    assert validation_findings(runs, tmp_path) == {}
