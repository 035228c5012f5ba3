"""An executed notebook whose records, outputs or code were changed, or whose code is not the approved one, is found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.evidence.layout import STEP_MIME
from tests.audit.altering import cell, edit_notebook, found, lie_in_cell
from tests.audit.project import NAME, git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge
    from tests.audit.project import Project

Data = dict[str, Any]


def lie_in_record(content: Data) -> None:
    bundle = next(
        output["data"][STEP_MIME]
        for output in cell(content, "greet")["outputs"]
        if STEP_MIME in output.get("data", {})
    )
    bundle["hosts"][0]["checks"][0]["observed"] = "something else"


def lie_in_output(content: Data) -> None:
    output = cell(content, "greet")["outputs"][0]
    output["data"]["text/html"] = "all is well"


def lie_in_metadata(content: Data) -> None:
    content["metadata"]["papermill"]["version"] = "9.9"


@pytest.mark.parametrize("change", [lie_in_record, lie_in_output, lie_in_metadata, lie_in_cell])
def test_a_notebook_edited_by_hand_is_altered(
    change: Callable[[Data], None], sealed: Path, judge: Judge
) -> None:
    edit_notebook(sealed, change)
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "notebook", "notebook.ipynb: changed after it was sealed")


def test_a_record_edited_before_the_seal_differs_from_the_journal(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    edit_notebook(run, lie_in_record)
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    finding = found(verdict, "notebook", "notebook.ipynb step 1 host-a: checks 1.observed")
    assert finding.message.startswith("the notebook has 'something else', the journal 'hello from host-a")


def test_a_cell_that_is_not_the_approved_one_is_shown_as_a_diff(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    edit_notebook(run, lie_in_cell)
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    finding = found(verdict, "source", "the cell differs from the approved one")
    assert '-book.step("Wait", practice.waiting(wait))' in finding.diff.splitlines()
    assert "+harmless = 1" in finding.diff.splitlines()


def add_cell(content: Data) -> None:
    content["cells"].insert(5, {**cell(content, "wait"), "id": "new", "source": "1 + 1", "outputs": []})


def drop_cell(content: Data) -> None:
    content["cells"].remove(cell(content, "wait"))


def hide_code_as_injected(content: Data) -> None:
    new = {**cell(content, "wait"), "id": "new", "source": "import os; os.getcwd()", "outputs": []}
    new["metadata"] = {"tags": ["injected-parameters"]}
    content["cells"].append(new)


def annotate_injected(content: Data) -> None:
    injected = next(item for item in content["cells"] if "injected-parameters" in item["metadata"]["tags"])
    injected["source"] = "".join(injected["source"]).replace(" = ", ": print('ran') = ", 1)


def annotate_as_both(content: Data) -> None:
    new = {**cell(content, "wait"), "id": "new", "source": "wait: print('ran') = 0.0", "outputs": []}
    new["metadata"] = {"tags": ["injected-parameters", "parameters"]}
    content["cells"].append(new)


def inject_twice(content: Data) -> None:
    new = {**cell(content, "wait"), "id": "new", "source": "wait = 0.0", "outputs": []}
    new["metadata"] = {"tags": ["injected-parameters"]}
    content["cells"].append(new)


def inject_otherwise(content: Data) -> None:
    injected = next(item for item in content["cells"] if "injected-parameters" in item["metadata"]["tags"])
    injected["source"] = [*injected["source"], "\nwait = 5.0"]


@pytest.mark.parametrize(
    ("change", "part", "message"),
    [
        (add_cell, "source", "the cell was added"),
        (drop_cell, "source", "the cell was removed"),
        (hide_code_as_injected, "source", "a parameters cell contains more than plain values"),
        (annotate_injected, "source", "a parameters cell contains more than plain values"),
        (annotate_as_both, "source", "a parameters cell contains more than plain values"),
        (inject_twice, "source", "more than one cell of injected parameters"),
        (inject_otherwise, "parameters", "parameter wait: the notebook has 5.0, the journal 0.0"),
    ],
)
def test_code_that_differs_from_the_approved_is_altered(  # noqa: PLR0913, PLR0917 - a table
    change: Callable[[Data], None], part: str, message: str, run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    edit_notebook(run, change)
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    found(verdict, part, message)


def test_the_approved_source_can_be_a_folder_of_notebooks(
    sealed: Path, keys: Path, project: Project, tmp_path: Path
) -> None:
    approved = tmp_path / "approved"
    approved.mkdir()
    trust = keys / "operator.pub"
    missing = verify_run(sealed, trust=trust, approved=approved)
    assert missing.verdict is Word.INCOMPLETE
    found(missing, "source", "no approved notebook")
    shutil.copy(project.path / "notebooks" / f"{NAME}.ipynb", approved)
    assert verify_run(sealed, trust=trust, approved=approved).verdict is Word.VERIFIED
    edit_notebook(approved / f"{NAME}.ipynb", lie_in_cell)
    assert verify_run(sealed, trust=trust, approved=approved).verdict is Word.ALTERED


def test_a_commit_that_the_repository_does_not_have_is_missing_and_one_off_the_branch_is_altered(
    sealed: Path, keys: Path, project: Project, tmp_path: Path
) -> None:
    trust = keys / "operator.pub"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(elsewhere, "init", "-q")
    verdict = verify_run(sealed, trust=trust, approved=Approval(repository=elsewhere))
    assert verdict.verdict is Word.INCOMPLETE
    found(verdict, "source", "has no such commit")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project.path), str(clone))
    git(clone, "checkout", "-q", "--orphan", "released")
    git(clone, "commit", "-qm", "Another history")
    assert (
        verify_run(sealed, trust=trust, approved=Approval(repository=clone, ref="main")).verdict
        is Word.VERIFIED
    )
    off = verify_run(sealed, trust=trust, approved=Approval(repository=clone, ref="released"))
    assert off.verdict is Word.ALTERED
    found(off, "source", "the commit is not in released")


def test_source_that_was_not_committed_is_reported_and_no_commit_contains_it(
    project: Project, operator: CryptoSigner, judge: Judge, keys: Path
) -> None:
    notebook = project.path / "notebooks" / f"{NAME}.ipynb"
    committed = notebook.read_bytes()
    try:
        edit_notebook(notebook, lie_in_cell)
        run = project.run()
    finally:
        notebook.write_bytes(committed)
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "source", "was not committed")
    assert "+harmless = 1" in found(verdict, "source", "differs from the approved one").diff
    approved = verify_run(run, trust=keys / "operator.pub", approved=notebook.parent)
    assert found(approved, "source", "was not committed").kind is Kind.WARNING
    shutil.rmtree(run)
