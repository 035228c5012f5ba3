"""A run is verified only where nothing was changed, nothing is missing, and somebody trusted signed it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal, seal_run
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import exit_code, verify_runs
from runbook_lib.errors import InputError
from runbook_lib.evidence.layout import STEP_MIME
from runbook_lib.evidence.lookup import read_run
from runbook_lib.report.html import write_html
from tests.audit.altering import cell, edit_notebook, found, lie_in_cell
from tests.audit.project import NAME, git

if TYPE_CHECKING:
    from collections.abc import Callable

    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge
    from tests.audit.project import Project

Data = dict[str, Any]


def test_a_sealed_run_is_verified_and_says_who_ran_what_where_when_and_how_it_ended(
    sealed: Path, judge: Judge, project: Project
) -> None:
    verdict = judge(sealed)
    assert (verdict.verdict, verdict.findings) == (Word.VERIFIED, [])
    record = read_run(sealed)
    assert verdict.run == record.run == sealed.name
    assert (verdict.runbook, verdict.mode, verdict.hosts) == (NAME, "apply", ["host-a", "host-b"])
    assert (verdict.status, verdict.result) == ("changed", "PASSED")
    assert (verdict.operator, verdict.machine) == (record.operator, record.machine)
    assert verdict.started.startswith("20")
    assert verdict.ended.endswith("Z")
    assert verdict.commit == git(project.path, "rev-parse", "HEAD")
    assert [(signer.name, signer.valid, signer.trusted) for signer in verdict.signers] == [
        ("operator", True, True)
    ]


def test_a_failed_run_is_verified_too_and_says_that_it_failed(
    project: Project, operator: CryptoSigner, judge: Judge
) -> None:
    run = project.run("-p", "fail_on", "host-b")
    done = seal_run(run, [operator])
    verdict = judge(run)
    assert (verdict.verdict, verdict.status, verdict.result) == (Word.VERIFIED, "failed", "FAILED")
    assert done is not None
    assert done.result == "FAILED"
    shutil.rmtree(run)


def raise_after_the_end(content: Data) -> None:
    error = {"output_type": "error", "ename": "RuntimeError", "evalue": "too late", "traceback": []}
    cell(content, "close")["outputs"].append(error)


def test_a_cell_that_raised_after_the_end_of_the_run_decides_how_it_ended(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    edit_notebook(run, raise_after_the_end)
    done = seal(run, [operator])
    verdict = judge(run)
    assert (verdict.verdict, verdict.status, verdict.result) == (Word.VERIFIED, "failed", "FAILED")
    assert done.result == "FAILED"
    assert "raised RuntimeError: too late" in found(verdict, "notebook", "the run is failed").message


def test_a_seal_that_claims_a_better_end_than_the_notebook_shows_is_named(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    notebook = (run / "notebook.ipynb").read_bytes()
    edit_notebook(run, raise_after_the_end)
    altered = (run / "notebook.ipynb").read_bytes()
    (run / "notebook.ipynb").write_bytes(notebook)
    seal(run, [operator])
    (run / "notebook.ipynb").write_bytes(altered)
    verdict = judge(run)
    assert (verdict.verdict, verdict.status, verdict.result) == (Word.ALTERED, "failed", "PASSED")
    assert found(verdict, "attestation", "sealed as 'changed'").kind is Kind.WARNING


def test_a_run_that_was_never_sealed_is_unsigned(run: Path, judge: Judge) -> None:
    verdict = judge(run)
    assert verdict.verdict is Word.UNSIGNED
    found(verdict, "attestation", "not sealed")


def test_a_report_made_again_changes_nothing(sealed: Path, judge: Judge) -> None:
    before = judge(sealed)
    write_html([read_run(sealed)], sealed / "report.html", "Made again, under another title")
    assert judge(sealed) == before


def test_stored_outputs_exist_and_match_their_names(sealed: Path, judge: Judge) -> None:
    output = next((sealed / "output").iterdir())
    whole = output.read_bytes()
    output.write_bytes(whole[:-1] + b"X")
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "output", "content does not match the SHA-256 in its name")
    output.unlink()
    verdict = judge(sealed)
    assert verdict.verdict is Word.INCOMPLETE
    assert len([item for item in verdict.findings if "the complete output is missing" in item.message]) == 2
    output.write_bytes(whole)
    assert judge(sealed).verdict is Word.VERIFIED
    (output.parent / ("0" * 64)).write_bytes(b"put there later")
    assert judge(sealed).verdict is Word.ALTERED


def test_parameters_match_the_journal(run: Path, operator: CryptoSigner, judge: Judge) -> None:
    file = run / "parameters.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("hosts: all", "hosts: host-a"), encoding="utf-8")
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "parameters", "differs from the parameters in the journal")


@pytest.mark.parametrize("name", ["journal.jsonl", "notebook.ipynb", "parameters.yml"])
def test_a_file_that_is_gone_is_missing(name: str, sealed: Path, judge: Judge) -> None:
    (sealed / name).unlink()
    verdict = judge(sealed)
    assert verdict.verdict is Word.INCOMPLETE
    assert [
        item
        for item in verdict.findings
        if item.where == name and "sealed, but missing or unreadable" in item.message
    ]


def test_a_standalone_notebook_is_unsigned_at_best(finished: Path, judge: Judge, tmp_path: Path) -> None:
    alone = Path(shutil.copy(finished / "notebook.ipynb", tmp_path / "sent.ipynb"))
    verdict = judge(alone)
    assert (verdict.verdict, verdict.status, verdict.run) == (Word.UNSIGNED, "changed", finished.name)
    found(verdict, "attestation", "standalone notebook")
    edit_notebook(alone, lie_in_cell)
    assert judge(alone).verdict is Word.ALTERED


def test_an_output_edited_in_a_standalone_notebook_does_not_match_its_hash(
    finished: Path, judge: Judge, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(finished / "notebook.ipynb", tmp_path / "sent.ipynb"))

    def change(content: Data) -> None:
        data = cell(content, "evil")["outputs"][0]["data"][STEP_MIME]
        data["hosts"][0]["commands"][0]["stdout"]["head"] = "nothing to see"

    edit_notebook(alone, change)
    verdict = judge(alone)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "notebook", "the output does not match its SHA-256")


def test_a_notebook_without_its_end_is_incomplete(finished: Path, judge: Judge, tmp_path: Path) -> None:
    alone = Path(shutil.copy(finished / "notebook.ipynb", tmp_path / "sent.ipynb"))
    edit_notebook(alone, lambda content: cell(content, "close").update(outputs=[]))
    verdict = judge(alone)
    assert (verdict.verdict, verdict.status) == (Word.INCOMPLETE, "unknown")


def test_a_foreign_notebook_is_described_with_a_warning(finished: Path, judge: Judge, tmp_path: Path) -> None:
    foreign = Path(shutil.copy(finished / "notebook.ipynb", tmp_path / "plain.ipynb"))

    def change(content: Data) -> None:
        for item in content["cells"]:
            item.pop("outputs", None)

    edit_notebook(foreign, change)
    verdict = judge(foreign)
    assert (verdict.verdict, verdict.status, verdict.run) == (Word.FOREIGN, "unknown", "")
    assert found(verdict, "notebook", "proves nothing").kind is Kind.WARNING
    assert "completed" in found(verdict, "notebook", "papermill reports").message


def test_a_tree_is_walked_and_links_out_of_it_are_refused(
    sealed: Path, other: Path, keys: Path, project: Project
) -> None:
    top = sealed.parent.parent
    (top / "deeper" / "still").mkdir(parents=True)
    shutil.copytree(other, top / "deeper" / "still" / other.name)
    shutil.copy(sealed / "notebook.ipynb", top / "deeper" / "alone.ipynb")
    (top / "latest").symlink_to(sealed)
    (top / "out").symlink_to("/usr")
    verdicts = list(
        verify_runs([top], trust=keys / "operator.pub", approved=Approval(repository=project.path))
    )
    words = {Path(verdict.path).relative_to(top).as_posix(): verdict.verdict for verdict in verdicts}
    assert words == {
        "out": Word.FOREIGN,
        "deeper/alone.ipynb": Word.UNSIGNED,
        f"deeper/still/{other.name}": Word.UNSIGNED,
        f"runs/{sealed.name}": Word.VERIFIED,
    }
    assert exit_code(verdicts) == 1
    assert exit_code(verdicts, ["foreign", "unsigned"]) == 0


def test_altered_outweighs_incomplete_in_the_exit_code(
    sealed: Path, run: Path, judge: Judge, tmp_path: Path
) -> None:
    cut = Path(shutil.copytree(run, tmp_path / run.name))
    (cut / "parameters.yml").unlink()
    incomplete, verified = judge(cut), judge(sealed)
    assert exit_code([verified]) == 0
    assert exit_code([verified, incomplete]) == 4
    assert exit_code([verified, incomplete], ["incomplete"]) == 0
    (cut / "journal.jsonl").write_bytes(b"{}\n")
    assert exit_code([incomplete, judge(cut)]) == 1


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: path.write_text("")], ids=["dir", "file"]
)
def test_a_path_without_a_run_is_bad_input(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "thing")
    with pytest.raises(InputError):
        list(verify_runs([tmp_path / "thing"]))


def test_the_command_gives_codes_and_json_for_machines(sealed: Path, project: Project, keys: Path) -> None:
    trust = ("--trust", str(keys / "operator.pub"))
    done = project.runbook("audit", "verify", str(sealed.parent), *trust, "--json")
    assert done.returncode == 0, done.stderr
    (verdict,) = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["run"], verdict["schema_version"]) == ("verified", sealed.name, 1)
    edit_notebook(sealed, lie_in_cell)
    done = project.runbook("audit", "verify", str(sealed), *trust)
    assert done.returncode == 1
    assert "✗ altered" in done.stdout
    assert "+harmless = 1" in done.stdout
    for wrong in (
        ["nothing-there"],
        [str(sealed), "--trust", "nowhere"],
        [str(sealed), "--approved", "nowhere"],
    ):
        done = project.runbook("audit", "verify", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_a_good_run_copied_over_a_failed_ones_directory_is_altered(sealed: Path, judge: Judge) -> None:
    elsewhere = sealed.with_name(f"{sealed.name[:-6]}000000")
    shutil.copytree(sealed, elsewhere)
    verdict = judge(elsewhere)
    assert verdict.verdict == "altered"
    assert verdict.status == "unknown"
    assert any("the directory is named" in finding.message for finding in verdict.findings)


def test_one_run_id_in_two_directories_of_an_archive_is_altered(sealed: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for place in ("one", "two"):
        shutil.copytree(sealed, archive / place / sealed.name)
    first, second = verify_runs([archive])
    assert first.verdict != "altered"
    assert second.verdict == "altered"
    assert "one of the two is a copy" in second.findings[-1].message
    assert first.run == second.run
