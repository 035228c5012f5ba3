"""Mask, in an executed notebook, the secrets that its runs have recorded before they knew them.

A kernel masks what it sends once it knows a secret. What it has sent before stands in the notebook, which unlike a
journal is rewritten after each cell: at its end it gets the same mask as everything that is made from the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat

from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.execution.notebook.packed_outputs import PackedOutputs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbformat import NotebookNode

__all__ = ["mask_exposed_secrets"]


def mask_exposed_secrets(notebook: NotebookNode, runs: Iterable[Path]) -> None:
    """Mask the outputs of a notebook.

    Args:
        notebook: The notebook; its outputs are replaced if they have a secret.
        runs: The directories of its runs, whose journals name the secrets.
    """
    for exposed in filter(None, map(ExposedSecrets.of_run, runs)):
        for cell in notebook.cells:
            outputs = cell.get("outputs")
            if not outputs:
                continue
            plain: list[Any] = list(outputs)
            masked = exposed.mask_data(plain)
            if masked != plain:
                nodes = nbformat.from_dict(masked)  # type: ignore[no-untyped-call]
                cell.outputs = PackedOutputs(nodes) if isinstance(outputs, PackedOutputs) else nodes
