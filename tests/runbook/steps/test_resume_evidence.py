"""Only a run whose evidence verifies is resumed, and the new run says which journal it believed."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.attestation import seal_run
from runbook_lib.attestation.envelope import open_envelope, write
from runbook_lib.attestation.keys import generate, signers
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import InputError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.execution.fleet.resume_check import resuming
from tests.audit.altering import forge_journal, found
from tests.runbook.practice import Does, Holds, parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.audit.verify.verdict import Verdict
    from runbook_lib.model.records import RunRecord

Data = dict[str, Any]


def carry_out(place: Path, **given: Any) -> RunRecord:  # noqa: ANN401 - any parameter
    """Step 1 fails as long as there is no file `allowed`."""
    book = Runbook.open(parameters(place, hosts="host-a", **given))
    try:
        book.step("Needed", Does(("test", "-e", str(place / "allowed"))))
        book.step("After", Holds(str(place / "after"), "after\n"))
        book.close()
    except StepFailed:
        pass
    return book.record


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A run whose first step failed; never sealed."""
    return tmp_path / "runs" / carry_out(tmp_path).run


def pretend_success(entries: list[Data]) -> None:
    """Have a failed step be ok, as somebody would who knows how journals are chained and sealed."""
    for entry in entries:
        if entry["event"] == "host_ended":
            entry["status"] = "changed"
        if entry["event"] == "command_ended":
            entry |= {"exit_code": 0, "accepted": True}


def refused(run: Path) -> str:
    with pytest.raises(InputError, match="cannot be resumed") as caught:
        carry_out(run.parents[1], resume=str(run))
    assert caught.value.exit_code == 2
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    return str(caught.value)


def audited(run: Path) -> Verdict:
    return verify_run(run, trust=[], approved=Approval(wanted=False))


def test_a_forged_journal_of_a_sealed_run_is_not_believed(failed: Path) -> None:
    seal_run(failed, [])
    forge_journal(failed, pretend_success)
    assert "evidence was altered: journal.jsonl: changed after the run was sealed" in refused(failed)


def test_an_altered_file_next_to_the_journal_of_a_sealed_run_counts_too(failed: Path) -> None:
    seal_run(failed, [])
    (failed / "parameters.yml").write_text("{}")
    assert "parameters.yml: changed after the run was sealed" in refused(failed)


def test_a_forged_journal_without_a_seal_is_contradicted_by_the_notebook(failed: Path) -> None:
    step = json.loads(read_journal(failed).steps[0].model_dump_json()) | {"run": failed.name}
    data = {"application/vnd.runbook.step.v1+json": step}
    cell = {"cell_type": "code", "source": "", "outputs": [{"output_type": "display_data", "data": data}]}
    (failed / "notebook.ipynb").write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}))
    forge_journal(failed, pretend_success)
    assert "step 1 on host-a is changed in the journal and failed in the notebook" in refused(failed)


def test_a_run_in_the_directory_of_another_is_not_believed(failed: Path) -> None:
    moved = failed.rename(failed.with_name(f"{failed.name[:-6]}abcdef"))
    assert f"contains run {failed.name}" in refused(moved)


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"payload": "e30="}'])
def test_a_seal_that_cannot_be_read_is_refused(failed: Path, text: str) -> None:
    (failed / "attestation.json").write_text(text)
    assert "attestation.json: cannot be read" in refused(failed)


def test_a_seal_made_again_under_an_old_signature_is_refused(
    failed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path / "key")
    (tmp_path / "trusted_keys").mkdir()
    shutil.copy(tmp_path / "key.pub", tmp_path / "trusted_keys")
    monkeypatch.chdir(tmp_path)  # the project whose keys count
    seal_run(failed, signers(str(tmp_path / "key")))
    signed, _ = open_envelope(failed)
    forge_journal(failed, pretend_success)
    (failed / "attestation.json").unlink()
    seal_run(failed, [])
    forged, _ = open_envelope(failed)
    forged.signatures = signed.signatures
    write(failed, forged)
    with pytest.raises(InputError, match=r"signature by key .* is invalid"):
        resuming([], str(failed), {})


def test_a_resumed_run_names_the_journal_that_it_believed_and_verification_follows_it(failed: Path) -> None:
    place = failed.parents[1]
    (place / "allowed").touch()
    record = carry_out(place, resume=str(failed))
    assert record.resumes == failed.name
    assert record.resumes_sha256 == hashlib.sha256((failed / "journal.jsonl").read_bytes()).hexdigest()
    run = failed.parent / record.run
    assert "resumes" not in " ".join(finding.message for finding in audited(run).findings)

    forge_journal(failed, pretend_success)
    finding = found(audited(run), "journal", "changed after this run had resumed from it")
    assert (finding.kind, finding.where) == ("altered", f"{failed.name}/journal.jsonl")

    failed.rename(place / "elsewhere")
    assert found(audited(run), "journal", "is not next to it").kind == "note"


def test_what_an_earlier_run_skipped_is_believed_only_on_the_journal_that_proved_it(failed: Path) -> None:
    place = failed.parents[1]
    second = place / "runs" / carry_out(place, resume=str(failed)).run
    forge_journal(failed, pretend_success)
    with pytest.raises(InputError, match=f"{failed.name}: changed after {second.name} resumed it"):
        carry_out(place, resume=str(second))
