"""What `runbook run` leaves is sealed at its end, and signed where there is a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runbook_lib.attestation.keys import generate
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.execution.fleet.project import Project


def sealed(project: Project) -> Path:
    (path,) = project.runs.glob("*_10_first_*")
    return path


def test_each_run_is_signed_at_its_end(project: Project) -> None:
    key = project.top / "operator"
    public = generate(key)
    done = project.run("10_first", "15_other", "--sign-key", str(key))
    assert done.returncode == 0, done.stderr
    for path in project.runs.glob("*_1*"):
        envelope = json.loads((path / "attestation.json").read_bytes())
        assert [signature["keyid"] for signature in envelope["signatures"]] == [public.keyid]
    verdict = verify_run(
        sealed(project), trust=project.top / "operator.pub", approved=project.top / "notebooks"
    )
    assert verdict.verdict == Word.VERIFIED, verdict


def test_without_a_key_a_run_is_sealed_unsigned(project: Project) -> None:
    assert project.run("10_first").returncode == 0
    assert json.loads((sealed(project) / "attestation.json").read_bytes())["signatures"] == []
    assert verify_run(sealed(project), approved=project.top / "notebooks").verdict == Word.UNSIGNED


def test_a_key_that_cannot_be_used_is_told_before_anything_runs(project: Project) -> None:
    done = project.run("10_first", "--sign-key", str(project.top / "nowhere"))
    assert done.returncode == 2
    assert "the signing key: neither a file nor a secret reference" in done.stderr
    assert not project.runs.exists()


def test_a_run_whose_reports_cannot_be_written_is_not_a_success(project: Project) -> None:
    block = 'import os; os.makedirs(book.directory / "report.html" / "in the way")'
    project.write("10_first", 'book.facts("Look", Asleep(0.0))', block)
    done = project.run("10_first", "20_second")
    assert done.returncode == 4
    assert "  ✓ ok, 1 step" in done.stdout
    assert "report.html: " in done.stdout
    assert f"evidence: {sealed(project)}" in done.stdout
    assert "20_second: not run: needs 10_first (unknown)" in done.stdout
    assert not (sealed(project) / "attestation.json").exists()
