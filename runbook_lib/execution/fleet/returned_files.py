"""Write the files that a worker returns: below the directory of a run of its job, and over none that is there."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from runbook_lib.atomic import replace_file, sync_directory
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, JOURNAL
from runbook_lib.evidence.regular_file import digest
from runbook_lib.execution.fleet.job_runs import run_of_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runbook_lib.execution.fleet.remote_worker import ReturnedFile

__all__ = ["by_run", "directory_for", "keep_files", "name_of_run"]


def by_run(files: Iterable[ReturnedFile]) -> dict[str, list[ReturnedFile]]:
    """Return files by the first part of their path; what is below no run is refused by `directory_for`."""
    runs: dict[str, list[ReturnedFile]] = {}
    for file in files:
        runs.setdefault(file.path.partition("/")[0], []).append(file)
    return runs


def name_of_run(name: str) -> str:
    """Return the name of a run's directory.

    Raises:
        EvidenceError: It is none: a worker must not write elsewhere.
    """
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise EvidenceError("not the name of a run", where=name)
    return name


def directory_for(runs: Path, name: str, files: Sequence[ReturnedFile], job: str) -> Path:
    """Return the directory for a run's files; nothing is written.

    Args:
        runs: The directory for runs.
        name: The run's name, as the worker reports it.
        files: All its files.
        job: The id of the job that the worker had.

    Raises:
        EvidenceError: The files are not those of a run of this job.
    """
    run = runs / name_of_run(name)
    journal = next((file for file in files if file.path == f"{name}/{JOURNAL}"), None)
    if journal is None or run_of_job(journal.content.partition(b"\n")[0], job) != name:
        raise EvidenceError("not a run of this job: none of its files is kept", where=name)
    return run


def keep_files(run: Path, files: Sequence[ReturnedFile]) -> None:
    """Write files below a run's directory; only the journal may be there, as far as it was received before.

    Raises:
        EvidenceError: A path leads elsewhere, or another file of that name is there.
        OSError: A file cannot be written.
    """
    # The seal last: what could not be written in full must not look sealed.
    for file in sorted(files, key=lambda file: file.path == f"{run.name}/{ATTESTATION}"):
        _keep(run, file)
    sync_directory(run.parent)


def _keep(run: Path, file: ReturnedFile) -> None:
    parts = PurePosixPath(file.path).parts[1:]
    if not parts or ".." in parts or "\0" in file.path:
        raise EvidenceError("not a file of a run", where=file.path)
    path = run / Path(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.path.lexists(path):
        replace_file(path, file.content, durable=True)
    elif parts == (JOURNAL,):
        _complete(path, file.content)
    if digest(path) != file.sha256:
        raise EvidenceError("differs from the file on the worker", where=str(path))


def _complete(path: Path, content: bytes) -> None:
    """Append the rest to a journal of which the beginning was received before.

    Raises:
        EvidenceError: The beginning differs.
    """
    before = path.read_bytes()
    if not content.startswith(before):
        raise EvidenceError(
            "differs from the lines that were received while the run was running", where=str(path)
        )
    with path.open("ab") as file:
        file.write(content[len(before) :])
        file.flush()
        os.fsync(file.fileno())
