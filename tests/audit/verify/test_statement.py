"""A signed statement is compared with the journal in every field; any DSSE tool's signature counts; keys say whence."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal_run, signers
from runbook_lib.attestation.envelope import open_envelope, sign, wrap, write
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_run
from tests.audit.altering import forge_journal, found

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge
    from tests.audit.project import Project

Data = dict[str, Any]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("runbook", "20_other"),
        ("mode", "plan"),
        ("operator", "somebody else"),
        ("machine", "elsewhere"),
        ("hosts", ["host-z"]),
        ("started", "2020-01-01T00:00:00Z"),
        ("ended", "2020-01-01T00:00:00Z"),
        ("ended", None),
        ("incomplete", "the journal has no end-of-run line"),
        ("incomplete", None),
    ],
)
def test_a_field_that_differs_from_the_journal_is_altered(
    sealed: Path, judge: Judge, operator: CryptoSigner, name: str, value: object
) -> None:
    _, statement = open_envelope(sealed)
    statement["predicate"]["runbookRun"][name] = value
    envelope = wrap(statement)
    sign(envelope, [operator])
    write(sealed, envelope)
    assert found(judge(sealed), "attestation", f"{name} is {value!r}, in the journal").kind == "altered"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_input_that_differs_is_altered(
    sealed: Path, judge: Judge, operator: CryptoSigner, number: int
) -> None:
    _, statement = open_envelope(sealed)
    item = statement["predicate"]["configuration"][number]
    item["digest"] = dict.fromkeys(item["digest"], "0" * 40)
    envelope = wrap(statement)
    sign(envelope, [operator])
    write(sealed, envelope)
    found(judge(sealed), "attestation", f"the input {item['name']!r} differs")


def restated(run: Path, operator: CryptoSigner, change: Callable[[Data], object]) -> None:
    """Change a sealed run's statement, and sign it again with the key that the auditor trusts."""
    _, statement = open_envelope(run)
    change(statement)
    envelope = wrap(statement)
    sign(envelope, [operator])
    write(run, envelope)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_input_that_is_left_out_or_named_twice_is_altered(
    sealed: Path, judge: Judge, operator: CryptoSigner, number: int
) -> None:
    def repeat(statement: Data) -> None:
        inputs = statement["predicate"]["configuration"]
        inputs.append(inputs[number])

    _, statement = open_envelope(sealed)
    name = statement["predicate"]["configuration"][number]["name"]
    restated(sealed, operator, repeat)
    found(
        judge(sealed), "attestation", f"the input {name!r} is not one of the run's inputs, or is named twice"
    )

    def leave_out(statement: Data) -> None:
        inputs = statement["predicate"]["configuration"]
        statement["predicate"]["configuration"] = [item for item in inputs if item["name"] != name]

    restated(sealed, operator, leave_out)
    finding = found(judge(sealed), "attestation", f"the input {name!r} is missing from the statement")
    assert finding.kind == "altered"


def test_an_input_that_the_run_does_not_have_is_altered(
    sealed: Path, judge: Judge, operator: CryptoSigner
) -> None:
    more = {"name": "other.yml", "digest": {"sha256": "0" * 64}}
    restated(sealed, operator, lambda statement: statement["predicate"]["configuration"].append(more))
    found(judge(sealed), "attestation", "the input 'other.yml' is not one of the run's inputs")


@pytest.mark.parametrize(
    "place", [(), ("predicate",), ("predicate", "runbookRun"), ("predicate", "runbookRun", "sealed")]
)
def test_a_field_that_nothing_confirms_is_a_warning(
    sealed: Path, judge: Judge, operator: CryptoSigner, place: tuple[str, ...]
) -> None:
    def add(statement: Data) -> None:
        for name in place:
            statement = statement[name]
        statement["approvedBy"] = "the director"

    restated(sealed, operator, add)
    finding = found(
        judge(sealed), "attestation", "the field 'approvedBy', which nothing in the evidence confirms"
    )
    assert finding.kind == "warning"


def test_a_signature_has_no_field_that_dsse_does_not_have(sealed: Path) -> None:
    content = json.loads((sealed / "attestation.json").read_text())
    assert set(content) == {"payload", "payloadType", "signatures"}
    assert [set(signature) for signature in content["signatures"]] == [{"keyid", "sig"}]
    statement = json.loads(base64.b64decode(content["payload"]))
    run = statement["predicate"]["runbookRun"]
    assert all(time.endswith("Z") for time in (run["started"], run["ended"], run["sealed"]["time"]))


def test_a_signature_of_another_tool_keeps_its_id_when_the_run_is_countersigned(
    sealed: Path, judge: Judge, keys: Path
) -> None:
    path = sealed / "attestation.json"
    content = json.loads(path.read_text())
    content["signatures"] = [{"sig": content["signatures"][0]["sig"]}]
    path.write_text(json.dumps(content))
    envelope, _ = open_envelope(sealed)
    sign(envelope, signers(str(keys / "reviewer")))
    write(sealed, envelope)
    written = json.loads(path.read_text())["signatures"]
    assert [len(signature["keyid"]) for signature in written] == [0, 64]
    assert judge(sealed, signers=2).verdict == "verified"


@pytest.mark.parametrize("key_id", [None, "", "SHA256:cosign-style", "0" * 64])
def test_a_trusted_signature_counts_whatever_its_key_id_says(
    sealed: Path, judge: Judge, key_id: str | None
) -> None:
    path = sealed / "attestation.json"
    content = json.loads(path.read_text())
    (signature,) = content["signatures"]
    content["signatures"] = [{"sig": signature["sig"]} | ({} if key_id is None else {"keyid": key_id})] * 2
    path.write_text(json.dumps(content))
    verdict = judge(sealed)
    assert (verdict.verdict, {signer.name for signer in verdict.signers}) == ("verified", {"operator"})
    # One key that signed twice is one signer.
    assert judge(sealed, signers=2).verdict == "unsigned"


def test_a_signature_of_other_content_counts_under_no_id(sealed: Path, judge: Judge) -> None:
    path = sealed / "attestation.json"
    content = json.loads(path.read_text())
    content["signatures"] = [{"sig": base64.b64encode(b"0" * 64).decode(), "keyid": ""}]
    path.write_text(json.dumps(content))
    assert judge(sealed).verdict == "unsigned"


def test_commands_without_a_connection_are_a_finding(run: Path, judge: Judge) -> None:
    def over_ssh(entries: list[Data]) -> None:
        entries[0]["endpoints"]["host-a"] = {"connection": "ssh", "address": "10.20.30.40", "port": 22}
        entries[0]["endpoints"]["host-b"] = {"connection": "local", "address": "10.20.30.41"}

    forge_journal(run, over_ssh)
    seal_run(run, [])
    finding = found(judge(run), "journal", "no connection to the host was recorded")
    assert (finding.kind, finding.where) == ("altered", "host-a")
    assert found(judge(run), "journal", "10.20.30.41 was not contacted").where == "host-b"


def test_keys_that_come_with_the_evidence_do_not_count_unless_they_are_named(
    sealed: Path, keys: Path, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    trusted = tmp_path / "trusted_keys"
    trusted.mkdir()
    shutil.copy(keys / "operator.pub", trusted)
    monkeypatch.chdir(tmp_path)
    approval = Approval(repository=project.path)
    verdict = verify_run(sealed, approved=approval)
    assert verdict.verdict == "unsigned"
    found(verdict, "attestation", f"the keys in {trusted} do not count")
    named = verify_run(sealed, trust=trusted, approved=approval)
    assert named.verdict == "verified"
    assert named.keys_from == f"operator from {trusted}"
    assert named.source_from == f"the git repository of {project.path}"

    auditor = tmp_path / "auditor"
    (auditor / "notebooks").mkdir(parents=True)
    shutil.copytree(trusted, auditor / "trusted_keys")
    monkeypatch.chdir(auditor)
    assert verify_run(sealed, approved=approval).verdict == "verified"


def test_reports_are_said_not_to_be_covered(sealed: Path, judge: Judge) -> None:
    (sealed / "report.html").write_text("all well")
    assert judge(sealed).not_covered == ["junit.xml", "report.html"]


def test_the_command_says_which_keys_and_which_source_it_used(
    sealed: Path, keys: Path, project: Project
) -> None:
    done = project.runbook("audit", "verify", str(sealed), "--trust", str(keys / "operator.pub"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not covered by the seal: junit.xml, report.html" in done.stdout
    assert f"trusted keys: operator from {keys / 'operator.pub'}" in done.stdout
    assert f"approved source: the git repository of {project.path}" in done.stdout
