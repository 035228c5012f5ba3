"""The files of a run directory, each read once and hashed in a second thread meanwhile.

What is hashed is exactly what was checked: a file that is read whole is never opened a second time.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runbook_lib.attestation.files import evidence
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import JOURNAL, OUTPUT
from runbook_lib.evidence.regular_file import digest, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from runbook_lib.audit.verify.findings import Findings

__all__ = ["EvidenceFiles", "open_evidence"]


class EvidenceFiles:
    """A run directory's evidence.

    Args:
        path: The run directory.
        hasher: Computes hashes while the caller checks what was read.
        findings: Files that cannot be read are added here.
    """

    def __init__(self, path: Path, hasher: ThreadPoolExecutor, findings: Findings) -> None:
        self.path = path
        self.contents: dict[str, bytes] = {}
        self.names: list[str] = []
        self._hashes: dict[str, Future[str]] = {}
        try:
            self.names = evidence(path)
        except EvidenceError as problem:
            findings.missing(problem.message, where=problem.where or "")
        # The journal last: what a run that is still running has shown meanwhile is in it.
        for name in sorted(self.names, key=JOURNAL.__eq__):
            if name.startswith(f"{OUTPUT}/"):
                self._hashes[name] = hasher.submit(digest, path / name)
                continue
            try:
                data = self.contents[name] = read(path / name)
            except EvidenceError as problem:
                findings.missing(problem.message, where=name)
            else:
                self._hashes[name] = hasher.submit(_sha256, data)

    @property
    def outputs(self) -> list[str]:
        """The names of the stored outputs."""
        return [name for name in self.names if name.startswith(f"{OUTPUT}/")]

    @property
    def readable(self) -> set[str]:
        """The names of the files that are not outputs and could be read."""
        return set(self.contents)

    def content(self, name: str) -> bytes:
        """Return the content of a file of the directory, evidence or not.

        Raises:
            EvidenceError: The file cannot be read.
        """
        return self.contents[name] if name in self.contents else read(self.path / name)

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file.

        Raises:
            EvidenceError: The file cannot be read.
        """
        return self._hashes[name].result()

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file that can be read."""
        return {name: future.result() for name, future in self._hashes.items() if future.exception() is None}


@contextmanager
def open_evidence(path: Path, findings: Findings) -> Iterator[EvidenceFiles]:
    """Read a run directory's evidence; hashing ends with the block.

    Args:
        path: The run directory.
        findings: Files that cannot be read are added here.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256") as hasher:
        yield EvidenceFiles(path, hasher, findings)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
