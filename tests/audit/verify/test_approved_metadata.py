"""More than the source of cells is approved: tags, our metadata, the kernel, and the file that ran."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal_run
from runbook_lib.evidence.lookup import read_run
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.runbook.source_files import is_committed
from tests.audit.altering import edit_notebook, forge_journal, found
from tests.audit.project import NAME, git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.audit.conftest import Judge
    from tests.audit.project import Project

Data = dict[str, Any]


def tag(content: Data) -> None:
    content["cells"][-1]["metadata"]["tags"] = ["skip-execution"]


def untag(content: Data) -> None:
    for cell in content["cells"]:
        if cell["metadata"].get("tags") == ["parameters"]:
            cell["metadata"]["tags"] = []


def mark(content: Data) -> None:
    content["cells"][-1]["metadata"]["runbook"] = {"optional": True}


def other_kernel(content: Data) -> None:
    content["metadata"]["kernelspec"]["name"] = "forged"


def other_model(content: Data) -> None:
    content["metadata"]["runbook"]["parameters"] = "elsewhere:Practice"


def as_jupyter_writes(content: Data) -> None:
    """Add what JupyterLab writes into a notebook whose cells are opened, folded, trusted and run."""
    content["metadata"]["language_info"] = {"name": "python", "version": "3.13.0", "file_extension": ".py"}
    content["metadata"]["toc-autonumbering"] = True
    for cell in content["cells"]:
        cell["id"] = f"new-{id(cell)}"
        cell["metadata"] |= {"collapsed": False, "jupyter": {"source_hidden": False}, "scrolled": True}
        cell["metadata"] |= {"trusted": True, "editable": True, "slideshow": {"slide_type": ""}}
        cell["metadata"].setdefault("tags", [])
    for kind in ("code", "markdown"):
        empty: Data = {"cell_type": kind, "source": [], "metadata": {}, "id": f"empty-{kind}"}
        content["cells"].append(
            empty if kind == "markdown" else {**empty, "outputs": [], "execution_count": None}
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tag, "it has the tags skip-execution, the approved cell has no tags"),
        (untag, "it has no tags, the approved cell has the tags parameters"),
        (mark, 'no tags and runbook metadata {"optional": true}'),
        (other_kernel, "kernelspec is 'forged'"),
        (other_model, "runbook is {'parameters': 'elsewhere:Practice'"),
    ],
    ids=["tag", "untag", "mark", "kernel", "model"],
)
def test_metadata_that_was_not_approved_is_altered(
    run: Path, judge: Judge, change: Callable[[Data], None], message: str
) -> None:
    edit_notebook(run, change)
    seal_run(run, [])
    assert found(judge(run), "source", message).kind == "altered"


def test_what_jupyter_writes_by_itself_is_no_alteration(run: Path, judge: Judge) -> None:
    def as_jupyter(content: Data) -> None:
        as_jupyter_writes(content)
        content["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"

    edit_notebook(run, as_jupyter)
    assert [finding.message for finding in judge(run).findings if finding.part == "source"] == []


def test_a_cell_that_was_added_empty_and_shows_something_is_an_alteration(run: Path, judge: Judge) -> None:
    def add(content: Data) -> None:
        output = {"output_type": "stream", "name": "stdout", "text": "all well"}
        content["cells"].insert(
            3, {"cell_type": "code", "source": " ", "metadata": {}, "execution_count": 3, "outputs": [output]}
        )

    edit_notebook(run, add)
    assert found(judge(run), "source", "the cell was added").kind == "altered"


def test_a_working_copy_with_outputs_is_the_committed_source(project: Project) -> None:
    book = project.path / "notebooks" / f"{NAME}.ipynb"
    committed = Notebook.parse(book.read_bytes(), NAME)
    try:
        content = json.loads(book.read_bytes())
        for number, cell in enumerate(content["cells"], start=1):
            if cell["cell_type"] == "code":
                cell |= {
                    "execution_count": number,
                    "outputs": [{"output_type": "stream", "text": "as before"}],
                }
        as_jupyter_writes(content)
        book.write_text(json.dumps(content), encoding="utf-8")
        assert Notebook.parse(book.read_bytes(), NAME).source_sha256() == committed.source_sha256()
        commit = git(project.path, "rev-parse", "HEAD")
        assert is_committed(project.path, commit, str(book))
        content["cells"][1]["source"] = "another()"
        book.write_text(json.dumps(content), encoding="utf-8")
        assert not is_committed(project.path, commit, str(book))
    finally:
        git(project.path, "checkout", "-q", "--", ".")


def test_the_file_that_ran_is_recorded_and_compared_with_the_approved_one(
    run: Path, judge: Judge, project: Project
) -> None:
    book = project.path / "notebooks" / f"{NAME}.ipynb"
    digest = hashlib.sha256(book.read_bytes()).hexdigest()
    source = Notebook.parse(book.read_bytes(), NAME).source_sha256()
    assert read_run(run).notebook_file == {"path": str(book), "sha256": digest, "source_sha256": source}
    assert read_run(run).source["uncommitted"] is False
    assert read_run(run).endpoints["host-a"]["connection"] == "local"
    inventory = (project.path / "inventory.yml").read_bytes()
    assert read_run(run).inventory_sha256 == hashlib.sha256(inventory).hexdigest()

    def other_file(entries: list[Data]) -> None:
        entries[0]["notebook_file"] = {"path": "/elsewhere/book.ipynb", "sha256": "0" * 64}

    forge_journal(run, other_file)
    finding = found(judge(run), "source", "/elsewhere/book.ipynb, is not byte for byte the approved one")
    assert finding.kind == "altered"
