"""More than the source of cells is approved: tags, our metadata, the kernel, and the file that ran."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal_run
from runbook_lib.evidence.lookup import read_run
from tests.audit.altering import edit_notebook, forge_journal, found
from tests.audit.project import NAME

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
        content["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
        for cell in content["cells"]:
            cell["metadata"] |= {"collapsed": False, "jupyter": {"source_hidden": False}, "scrolled": True}

    edit_notebook(run, as_jupyter)
    assert [finding.message for finding in judge(run).findings if finding.part == "source"] == []


def test_the_file_that_ran_is_recorded_and_compared_with_the_approved_one(
    run: Path, judge: Judge, project: Project
) -> None:
    book = project.path / "notebooks" / f"{NAME}.ipynb"
    digest = hashlib.sha256(book.read_bytes()).hexdigest()
    assert read_run(run).notebook_file == {"path": str(book), "sha256": digest}
    assert read_run(run).source["uncommitted"] is False
    assert read_run(run).endpoints["host-a"]["connection"] == "local"
    inventory = (project.path / "inventory.yml").read_bytes()
    assert read_run(run).inventory_sha256 == hashlib.sha256(inventory).hexdigest()

    def other_file(entries: list[Data]) -> None:
        entries[0]["notebook_file"] = {"path": "/elsewhere/book.ipynb", "sha256": "0" * 64}

    forge_journal(run, other_file)
    finding = found(judge(run), "source", "/elsewhere/book.ipynb, is not byte for byte the approved one")
    assert finding.kind == "altered"
