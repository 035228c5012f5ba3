"""A seal states the outcome of a run, the files it covers and who signed; never more than the journal proves."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from securesystemslib.dsse import Envelope

from runbook_lib.attestation import seal, seal_run, signers
from runbook_lib.attestation.keys import generate
from runbook_lib.attestation.statement import StepResult, outcome
from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.countersign import countersign
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import EvidenceError, InputError
from runbook_lib.evidence.regular_file import digest
from runbook_lib.model.status import Status
from tests.audit.altering import edit_notebook, found, journal, put_journal
from tests.audit.project import NAME, TOP, git
from tests.deadlines import deadline, wait_until
from tests.programs import Programs

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge
    from tests.audit.project import Project

Data = dict[str, Any]


def envelope(run: Path) -> Data:
    content: Data = json.loads((run / "attestation.json").read_bytes())
    return content


def statement(run: Path) -> Data:
    claims: Data = json.loads(base64.b64decode(envelope(run)["payload"]))
    return claims


def test_the_statement_is_a_test_result_over_every_file_of_evidence(
    run: Path, operator: CryptoSigner, project: Project
) -> None:
    done = seal_run(run, [operator])
    assert done is not None
    assert (done.result, done.key_ids) == ("PASSED", (operator.public_key.keyid,))
    assert done.path.stat().st_mode & 0o777 == 0o600
    claims = statement(run)
    assert claims["_type"] == "https://in-toto.io/Statement/v1"
    assert claims["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    outputs = [f"output/{path.name}" for path in (run / "output").iterdir()]
    wanted = {
        name: digest(run / name) for name in ["journal.jsonl", "notebook.ipynb", "parameters.yml", *outputs]
    }
    assert {item["name"]: item["digest"]["sha256"] for item in claims["subject"]} == wanted
    assert outputs
    predicate = claims["predicate"]
    assert predicate["result"] == "PASSED"
    assert "1 Write a greeting [host-a]" in predicate["passedTests"]
    assert (predicate["warnedTests"], predicate["failedTests"]) == ([], [])
    commit = git(project.path, "rev-parse", "HEAD")
    notebook = digest(project.path / "notebooks" / f"{NAME}.ipynb")
    assert predicate["runbookRun"]["sealed"]["time"].endswith("Z")
    assert predicate["configuration"] == [
        {"name": "parameters.yml", "digest": {"sha256": wanted["parameters.yml"]}},
        {"name": f"{NAME}.ipynb", "digest": {"sha256": notebook}},
        {
            "name": "source",
            "digest": {"gitCommit": commit},
            "annotations": {"uncommitted": False},
        },
    ]
    assert "url" not in predicate
    assert (predicate["runbookRun"]["run"], predicate["runbookRun"]["sealed"]["later"]) == (run.name, False)


def test_the_envelope_is_one_that_the_library_itself_verifies(sealed: Path, keys: Path) -> None:
    read = Envelope.from_dict(envelope(sealed))
    assert read.payload_type == "application/vnd.in-toto+json"
    (key,) = Trust.load(keys / "operator.pub").keys.values()
    assert list(read.verify([key], 1)) == [key.keyid]


def test_the_address_of_a_ci_job_is_recorded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RUN_URL", "https://ci.example.invalid/jobs/7")
    seal(run, [])
    assert statement(run)["predicate"]["url"] == "https://ci.example.invalid/jobs/7"


def test_without_a_key_the_run_is_sealed_but_unsigned(run: Path, judge: Judge) -> None:
    done = seal_run(run, [])
    assert done is not None
    assert (done.key_ids, envelope(run)["signatures"]) == ((), [])
    verdict = judge(run)
    assert verdict.verdict is Word.UNSIGNED
    found(verdict, "attestation", "sealed but unsigned")
    (run / "parameters.yml").write_bytes((run / "parameters.yml").read_bytes() + b"\n")
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "parameters", "changed after it was sealed")


ON_A, ON_B = StepResult(1, "Do", "a", Status.OK), StepResult(1, "Do", "b", Status.CHANGED)


@pytest.mark.parametrize(
    ("status", "last", "result", "listed"),
    [
        (Status.CHANGED, Status.OK, "PASSED", "passedTests"),
        (Status.OK, Status.SKIPPED, "WARNED", "warnedTests"),
        (Status.PLANNED, Status.PLANNED, "WARNED", "warnedTests"),
        (Status.SKIPPED, Status.SKIPPED, "WARNED", "warnedTests"),
        (Status.CHANGED, Status.FAILED, "WARNED", "failedTests"),
        (Status.FAILED, Status.FAILED, "FAILED", "failedTests"),
        (Status.UNREACHABLE, Status.UNREACHABLE, "FAILED", "failedTests"),
        (Status.INTERRUPTED, Status.INTERRUPTED, "FAILED", "failedTests"),
        (Status.UNKNOWN, Status.UNKNOWN, "FAILED", "failedTests"),
        (Status.UNKNOWN, Status.OK, "FAILED", "passedTests"),
        ("something new", "something new", "FAILED", "failedTests"),
    ],
)
def test_only_what_passed_is_passed(status: str, last: str, result: str, listed: str) -> None:
    claims = outcome(status, [ON_A, ON_B, StepResult(2, "Then", "a", last)])
    assert claims["result"] == result
    assert "2 Then [a]" in claims[listed]
    assert sum(map(len, (claims["passedTests"], claims["warnedTests"], claims["failedTests"]))) == 3


def test_a_run_is_sealed_once(sealed: Path, operator: CryptoSigner) -> None:
    before = (sealed / "attestation.json").read_bytes()
    with pytest.raises(InputError, match="already sealed"):
        seal(sealed, [operator])
    assert (sealed / "attestation.json").read_bytes() == before


def test_an_untrusted_key_is_reported_and_does_not_count(run: Path, keys: Path, judge: Judge) -> None:
    seal(run, signers(str(keys / "stranger")))
    verdict = judge(run)
    assert verdict.verdict is Word.UNSIGNED
    assert [(signer.name, signer.valid, signer.trusted) for signer in verdict.signers] == [("", None, False)]
    found(verdict, "attestation", "cannot be checked: its public key is not available")


def test_an_untrusted_key_that_comes_with_its_signature_is_reported_and_does_not_count(
    run: Path, keys: Path, judge: Judge
) -> None:
    """Seals of earlier versions carried the key."""
    (stranger,) = signers(str(keys / "stranger"))
    seal(run, [stranger])
    content = envelope(run)
    content["signatures"][0]["key"] = stranger.public_key.to_dict()
    (run / "attestation.json").write_text(json.dumps(content))
    verdict = judge(run)
    assert verdict.verdict is Word.UNSIGNED
    assert [(signer.name, signer.valid, signer.trusted) for signer in verdict.signers] == [("", True, False)]
    found(verdict, "attestation", "is valid, but the key is not trusted")


def test_a_key_that_only_claims_a_trusted_id_is_not_taken_for_it(
    run: Path, keys: Path, operator: CryptoSigner, judge: Judge
) -> None:
    seal(run, signers(str(keys / "stranger")))
    content = envelope(run)
    content["signatures"][0]["keyid"] = operator.public_key.keyid
    (run / "attestation.json").write_text(json.dumps(content), encoding="utf-8")
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    assert not verdict.signers[0].valid


def test_two_signers_are_needed_where_the_auditor_wants_two(sealed: Path, keys: Path, judge: Judge) -> None:
    assert judge(sealed, signers=2).verdict is Word.UNSIGNED
    countersign(sealed, signers(str(keys / "reviewer")), approved=Approval(wanted=False))
    verdict = judge(sealed, signers=2)
    assert verdict.verdict is Word.VERIFIED
    assert [signer.name for signer in verdict.signers] == ["operator", "reviewer"]
    with pytest.raises(InputError, match="has already signed this run"):
        countersign(sealed, signers(str(keys / "reviewer")), approved=Approval(wanted=False))
    assert judge(sealed, signers=3).verdict is Word.UNSIGNED


def test_a_stranger_next_to_a_trusted_signer_is_a_warning(sealed: Path, keys: Path, judge: Judge) -> None:
    countersign(sealed, signers(str(keys / "stranger")), approved=Approval(wanted=False))
    assert judge(sealed).verdict is Word.VERIFIED
    assert judge(sealed, signers=2).verdict is Word.UNSIGNED


def test_altered_evidence_is_not_countersigned(sealed: Path, keys: Path) -> None:
    before = (sealed / "attestation.json").read_bytes()
    edit_notebook(sealed, lambda content: content["metadata"].update(new=1))
    with pytest.raises(EvidenceError, match=r"altered evidence is not signed: notebook\.ipynb: changed"):
        countersign(sealed, signers(str(keys / "reviewer")), approved=Approval(wanted=False))
    assert (sealed / "attestation.json").read_bytes() == before


def test_a_run_that_was_not_sealed_cannot_be_countersigned(run: Path, operator: CryptoSigner) -> None:
    with pytest.raises(InputError, match="not sealed yet"):
        countersign(run, [operator])


def at_once(project: Project, run: Path, *calls: tuple[str, Path]) -> list[tuple[int, str]]:
    """Start a command line for each verb and key, all together; return exit codes and what was said."""
    programs = Programs()
    started = [
        programs.start(
            [sys.executable, "-m", "runbook_lib.cli.main", "audit", verb, str(run), "--key", str(key)],
            cwd=project.path,
            env={**os.environ, "PYTHONPATH": str(TOP)},
        )
        for verb, key in calls
    ]
    try:
        outputs = [process.communicate(timeout=deadline(60))[0] for process in started]
    finally:
        programs.end()
    return [(process.returncode, said) for process, said in zip(started, outputs, strict=True)]


def test_of_two_who_seal_at_once_one_does(run: Path, project: Project, keys: Path, judge: Judge) -> None:
    ended = at_once(project, run, ("seal", keys / "operator"), ("seal", keys / "reviewer"))
    assert sorted(code for code, _ in ended) == [0, 2], ended
    assert judge(run).verdict is Word.VERIFIED


def test_many_who_countersign_at_once_lose_no_signature(
    sealed: Path, project: Project, tmp_path: Path, keys: Path
) -> None:
    files = [tmp_path / f"signer-{number}" for number in range(4)]
    for file in files:
        generate(file)
    ended = at_once(project, sealed, *(("countersign", file) for file in files))
    assert [code for code, _ in ended] == [0, 0, 0, 0], ended
    trust = [keys / "operator.pub", *(file.with_suffix(".pub") for file in files)]
    verdict = verify_run(sealed, trust=trust, approved=Approval(repository=project.path), signers=5)
    assert verdict.verdict is Word.VERIFIED
    assert [path.name for path in sealed.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run whose process was killed while a command ran."""
    program = TOP / "tests" / "runbook" / "practice.py"
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path), "60"],
        env={**os.environ, "PYTHONPATH": str(TOP)},
        start_new_session=True,
    )
    try:
        path = _under_way(tmp_path / "runs", process)
        with pytest.raises(EvidenceError, match="the run is still running"):
            seal(path, [])
        assert not (path / "attestation.json").exists()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=deadline(30))
    return path


def _under_way(runs: Path, process: subprocess.Popen[bytes]) -> Path:
    """Wait until the run's second step has sent its command."""

    def found() -> Path | None:
        assert process.poll() is None, "the run ended by itself"
        for path in runs.glob("*/journal.jsonl"):
            if b'"command_started","step":2' in path.read_bytes():
                return path.parent
        return None

    return wait_until(found, "the command of the second step")


def test_a_killed_run_is_sealed_later_as_unknown_and_failed(
    killed: Path, operator: CryptoSigner, judge: Judge
) -> None:
    assert seal_run(killed, [operator]) is None
    assert not (killed / "attestation.json").exists()
    done = seal(killed, [operator])
    assert (done.result, done.record.status) == ("FAILED", Status.UNKNOWN)
    predicate = statement(killed)["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["passedTests"][:2] == ["1 First [host-a]", "1 First [host-b]"]
    assert "2 Wait [host-a]" in predicate["failedTests"]
    about = predicate["runbookRun"]
    assert about["incomplete"] == "the journal has no end-of-run line"
    assert about["sealed"]["later"] is True
    assert about["sealed"]["by"] == about["operator"]
    verdict = judge(killed, source=False)
    assert (verdict.verdict, verdict.status) == (Word.INCOMPLETE, "unknown")
    assert verdict.signers[0].trusted


def test_a_run_that_was_altered_before_is_sealed_as_failed(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    lines = journal(run)
    put_journal(run, [*lines[:5], *lines[6:]])
    assert seal(run, [operator]).result == "FAILED"
    assert judge(run).verdict is Word.ALTERED


def test_the_commands_seal_countersign_and_verify_by_a_runs_id(
    project: Project, finished: Path, keys: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "archive" / finished.name))
    below = ("--runs", str(tmp_path / "archive"))
    done = project.runbook(
        "audit", "seal", "last", *below, RUNBOOK_SIGNING_KEY=f"${{file:{keys / 'operator'}}}"
    )
    assert done.returncode == 0, done.stderr
    assert "sealed as PASSED (changed)" in done.stdout
    trust = [part for name in ("operator", "reviewer") for part in ("--trust", str(keys / f"{name}.pub"))]
    reviewer = ("--key", str(keys / "reviewer"))
    done = project.runbook("audit", "countersign", finished.name[:20], *below, *reviewer, *trust)
    assert done.returncode == 0, done.stderr
    done = project.runbook("audit", "verify", "last", *below, *trust, "--signers", "2")
    assert done.returncode == 0, done.stdout
    assert "signed by operator" in done.stdout
    assert "signed by reviewer" in done.stdout
    assert project.runbook("audit", "countersign", str(copy)).returncode == 2
