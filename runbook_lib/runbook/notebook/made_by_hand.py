"""The end of a run that is made by hand, in JupyterLab, IPython or any other program than our engine.

Our engine writes the executed notebook, the reports and the seal. Where there is none, the run does so itself at its
end. A kernel has no notebook, only the cells that it was sent and what it has shown in them: it has to find the file,
and copies it as last saved, with these outputs. What the copy lacks goes into the journal.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pkgutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runbook_lib.atomic import replace_file
from runbook_lib.display import ipython_shell
from runbook_lib.display.cards import EvidenceLink
from runbook_lib.display.shown_outputs import shown_outputs
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.judgement import EXECUTION
from runbook_lib.evidence.layout import NOTEBOOK
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.masking import excerpt
from runbook_lib.printing.utf8 import utf8_bytes
from runbook_lib.runbook.notebook.copied_outputs import add_outputs
from runbook_lib.runbook.notebook.named_notebook import executes_a_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runbook_lib.display.ipython_shell import RanCell
    from runbook_lib.secrets import Secrets

__all__ = ["complete_evidence", "copy_notebook", "name_copy"]

# Reports and seals are in layers above this one: they read what a run has left. Only here does a run make its own.
_COMPLETE_EVIDENCE = "runbook_lib.execution.notebook.reports_and_seal:complete_evidence"

_log = logging.getLogger(__name__)
_MOST_SOURCE = 10_000  # characters of a cell in the journal
_LACKS = (
    "the file as it was last saved before the run ended: without the output of the cell that ended the run, and "
    "without whatever was changed or shown after that"
)
_HAS_OUTPUTS = (
    "the file as it was last saved before the run ended, with what the kernel has shown in its cells since the run was "
    "opened: without the last card, and without whatever was changed or shown after that"
)
_NO_HISTORY = "the file as it was last saved; which cells ran is not known, and they may be others"
_NOT_KNOWN = "the path of the notebook is not known to its kernel: there is no copy of the notebook"


def name_copy(copied: dict[str, Any]) -> str:
    """Return what to call the copy of a notebook where a link leads to it.

    Args:
        copied: As `copy_notebook` returns it.
    """
    if not copied["outputs_added"]:
        return "notebook as last saved"
    lacking = len(copied["not_in_copy"]) + len(copied["outputs_as_saved"])
    return (
        f"notebook with its outputs, but for {lacking} cell{'s' * (lacking != 1)}"
        if lacking
        else "notebook with its outputs"
    )


def complete_evidence(directory: Path, notebook: str, copy_name: str) -> tuple[list[EvidenceLink], str]:
    """Write the reports of a run that has ended, and seal it, as `runbook run` does.

    Args:
        directory: The run directory.
        notebook: The path of the notebook that shows the links; empty if it is not known.
        copy_name: What to call the copy of the notebook.

    Returns:
        What is in the run directory for a reader; and what could not be written, and why: empty if nothing.
    """
    try:
        written, problem = pkgutil.resolve_name(_COMPLETE_EVIDENCE)(directory)
    except Exception as error:  # noqa: BLE001 - the run has ended: what is not complete must be shown
        _log.debug("evidence of %s", directory, exc_info=True)
        written, problem = {}, f"{type(error).__name__}: {error}"
    if (directory / NOTEBOOK).is_file():
        written = {**written, NOTEBOOK: copy_name}
    base = Path(notebook).parent if notebook else Path.cwd()
    links = [
        # A browser follows links from the notebook's folder, not from the root of the file system.
        EvidenceLink(label, directory / name, quote(os.path.relpath(directory / name, base)))
        for name, label in written.items()
    ]
    return links, problem


def copy_notebook(directory: Path, path: str, first: int, secrets: Secrets) -> dict[str, Any]:
    """Copy the notebook, as last saved and with the run's outputs, into the run directory; return what to record of it.

    Args:
        directory: The run directory.
        path: The notebook; empty if it is not known.
        first: The position, in the log of the kernel's cells, of the cell that opened the run.
        secrets: Masks the copy. What has no secret in it, and no output of this run, is copied byte for byte.

    Returns:
        `path`, `sha256` of the copy and `saved`, all empty if there is no copy; `message`: what the copy lacks, or
        why there is none; `from_file`: whether IPython executed the file; `cells`: how many cells ran from the
        one that opened the run on; `not_in_copy`: those of them that the copy does not have, each with its `count`
        and its `source` as it ran; `outputs_added`: the counts of those whose outputs in the copy are what the kernel
        has shown; `outputs_as_saved`: of those that are in the copy with what the file had.
    """
    # While IPython executes a file the log has what was typed, not the cells of the file.
    from_file = executes_a_file()
    ran = [] if from_file else ipython_shell.cell_log().since(first)
    copied = {"path": "", "sha256": "", "saved": ""}
    known: set[str] = set()
    added: list[int] = []
    as_saved: list[int] = []
    try:
        data, known, saved = _read(path, {cell.source.strip() for cell in ran})
        data, added, left = _copy(data, ran, secrets, ExposedSecrets.of_run(directory))
        as_saved = [cell.number for cell in left if cell.source.strip() in known]
        replace_file(directory / NOTEBOOK, data)
        copied = {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "saved": saved.isoformat()}
        message = _message(added, as_saved, known=bool(ran or from_file))
    except OSError as problem:
        message = f"{path}: the notebook cannot be copied: {problem.strerror or problem}"
    except EvidenceError as problem:
        message = f"{path}: {problem.message}" if path else problem.message
    except Exception as problem:  # noqa: BLE001 - see below
        # A notebook has whatever other programs put there. Whatever its copy lacks, the end of the run is recorded.
        _log.debug("copy of %s", path, exc_info=True)
        message = f"{path}: the notebook cannot be copied: {type(problem).__name__}: {problem}"
    return {
        **copied,
        "message": message,
        "from_file": from_file,
        "cells": len(ran),
        "not_in_copy": [
            {"count": cell.number, "source": excerpt(secrets.mask(cell.source), _MOST_SOURCE)}
            for cell in ran
            if cell.source.strip() not in known
        ],
        "outputs_added": added,
        "outputs_as_saved": as_saved,
    }


def _message(added: list[int], as_saved: list[int], *, known: bool) -> str:
    """Return what a copy lacks."""
    if not known:
        return _NO_HISTORY
    if not added:
        return _LACKS
    counts = ", ".join(f"[{count}]" for count in as_saved)
    return (
        f"{_HAS_OUTPUTS}; what ran as {counts} has the outputs that the file had" if counts else _HAS_OUTPUTS
    )


def _read(path: str, ran: set[str]) -> tuple[bytes, set[str], datetime]:
    """Return a notebook's bytes, the sources of its code cells, and when it was saved.

    Raises:
        OSError: It cannot be read.
        EvidenceError: It is not a notebook, or not the one that ran.
    """
    if not path:
        raise EvidenceError(_NOT_KNOWN)
    file = Path(path)
    data, saved = file.read_bytes(), datetime.fromtimestamp(file.stat().st_mtime, UTC)
    known = {cell.source.strip() for cell in Notebook.parse(data, file.name).sources() if cell.kind == "code"}
    if ran and not known & ran:
        raise EvidenceError("no cell of this run is in the file: it is another notebook, or was never saved")
    return data, known, saved


def _copy(
    data: bytes, ran: Sequence[RanCell], secrets: Secrets, exposed: ExposedSecrets
) -> tuple[bytes, list[int], list[RanCell]]:
    """Return a notebook with the outputs of the cells that ran, and what `add_outputs` says of these cells.

    It has no secret values, and does not say how an earlier execution by our engine ended.
    """
    content = json.loads(data)
    with_outputs, added, left = add_outputs(content, ran, shown_outputs())
    masked = exposed.mask_data(
        secrets.mask_data(with_outputs)
    )  # also parts of values, where an output was cut
    if isinstance(masked.get("metadata"), dict) and EXECUTION in masked["metadata"]:
        masked = {**masked, "metadata": {k: v for k, v in masked["metadata"].items() if k != EXECUTION}}
    if masked != content:
        data = utf8_bytes(json.dumps(masked, indent=1, ensure_ascii=False))
    return data, added, left
