"""Verify a run directory: its files, its journal, its notebook, its outputs, its seal."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import yaml

from runbook_lib.attestation.files import digest, evidence, read
from runbook_lib.audit.verify import embedded_records, source_cells
from runbook_lib.audit.verify.approved_source import template
from runbook_lib.audit.verify.attestation_check import look
from runbook_lib.audit.verify.journal_chain import clocks, follow
from runbook_lib.audit.verify.journal_view import Told, tell
from runbook_lib.audit.verify.untrusted import guarded
from runbook_lib.audit.verify.verdict import Finding, Kind, Verdict, decide
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.layout import ATTESTATION, DERIVED, JOURNAL, NOTEBOOK, PARAMETERS
from runbook_lib.evidence.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from runbook_lib.attestation.trust import Trust
    from runbook_lib.audit.verify.approved_source import Approval

__all__ = ["verify_directory"]


def verify_directory(path: Path, trust: Trust, approval: Approval, needed: int) -> Verdict:
    """Return what a run directory's evidence is worth."""
    found = _Files(path)
    findings = found.findings
    told = Told()
    findings += guarded("journal", JOURNAL, lambda: _journal(found, told))
    findings += guarded("notebook", NOTEBOOK, lambda: _notebook(found, told, approval))
    findings += guarded("output", "output", lambda: _outputs(found, told))
    findings += guarded("parameters", PARAMETERS, lambda: _parameters(found, told))
    attested = look(path, trust, needed)
    findings += attested.findings
    digests = found.digests()
    findings += guarded("attestation", ATTESTATION, lambda: attested.compare(digests, told))
    findings += guarded("files", "", lambda: _uncovered(path, digests))
    sealed = attested.run.get("sealed")
    return Verdict(
        path=str(path),
        verdict=decide(findings),
        status=told.status,
        ended=_text(told.ended or {}, "ended").replace("+00:00", "Z"),
        result=_text(attested.predicate, "result"),
        sealed={str(key): value if isinstance(value, bool) else str(value) for key, value in sealed.items()}
        if isinstance(sealed, dict)
        else {},
        signers=attested.signers,
        findings=findings,
        **told_at_start(told.opened),
    )


def told_at_start(opened: dict[str, Any]) -> dict[str, Any]:
    """Return what a run's start tells, as fields of a verdict."""
    source, hosts = opened.get("source"), opened.get("hosts")
    return {
        **{
            name: _text(opened, name) for name in ("run", "runbook", "mode", "operator", "machine", "started")
        },
        "hosts": [str(host) for host in hosts] if isinstance(hosts, list) else [],
        "commit": _text(source, "commit") if isinstance(source, dict) else "",
    }


class _Files:
    """A run directory's evidence: hashed beside, while it is looked at.

    Whatever is read whole is read once, so that what is hashed is what was looked at.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.bytes: dict[str, bytes] = {}
        self.names: list[str] = []
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")
        self._hashes: dict[str, Future[str]] = {}
        try:
            self.names = evidence(path)
        except EvidenceError as problem:
            self._refused("files", problem.where or "", problem.message)
        for name in self.names:
            if name.startswith("output/"):
                self._hashes[name] = self._pool.submit(digest, path / name)
                continue
            try:
                data = self.bytes[name] = read(path / name)
            except EvidenceError as problem:
                self._refused("files", name, problem.message)
            else:
                self._hashes[name] = self._pool.submit(_sha256, data)

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each file; one that cannot be read is told, and left out."""
        known: dict[str, str] = {}
        for name, future in self._hashes.items():
            try:
                known[name] = future.result()
            except EvidenceError as problem:
                self._refused("output", name, problem.message)
        self._hashes = {name: self._hashes[name] for name in known}
        self._pool.shutdown()
        return known

    def hash(self, name: str) -> str | None:
        """Return the sha256 of a file; None where there is none that can be read."""
        future = self._hashes.get(name)
        return future.result() if future and future.exception() is None else None

    def _refused(self, part: Any, where: str, message: str) -> None:  # noqa: ANN401 - one of Part
        self.findings.append(Finding(kind=Kind.MISSING, part=part, where=where, message=message))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _journal(found: _Files, told: Told) -> Iterator[Finding]:
    data = found.bytes.get(JOURNAL)
    if data is None:
        if JOURNAL not in found.names:
            yield _missing("journal", JOURNAL, "there is no journal: nothing tells what was done")
        return
    entries, problems = follow(data)
    yield from problems
    told.__dict__.update(tell(entries, whole=not problems).__dict__)
    if not told.opened or entries[0] is not told.opened:
        kind = Kind.ALTERED if entries else Kind.MISSING
        yield Finding(
            kind=kind, part="journal", where=JOURNAL, message="it does not begin with the start of a run"
        )
    if not told.ended and not problems:
        yield _missing(
            "journal", JOURNAL, "it has no end-of-run line: the run was cut off, or is still under way"
        )
    name = told.opened.get("run")
    if told.opened and name != found.path.resolve().name:
        message = f"the directory is named {found.path.resolve().name!r}, the run in it {name!r}"
        yield Finding(kind=Kind.WARNING, part="files", message=message[:400])
    yield from clocks(entries)


def _notebook(found: _Files, told: Told, approval: Approval) -> Iterator[Finding]:
    data = found.bytes.get(NOTEBOOK)
    if data is None:
        if NOTEBOOK not in found.names:
            message = "there is no executed notebook: the code that ran cannot be compared"
            kind = Kind.MISSING if approval.wanted else Kind.NOTE
            yield Finding(kind=kind, part="notebook", where=NOTEBOOK, message=message)
        return
    try:
        notebook = Notebook.parse(data, NOTEBOOK)
    except EvidenceError as problem:
        yield _missing("notebook", NOTEBOOK, problem.message)
        return
    if not told.opened:
        return
    yield from guarded("notebook", NOTEBOOK, lambda: embedded_records.compare(notebook, told))
    yield from guarded("source", NOTEBOOK, lambda: compare_source(notebook, told.opened, approval))


def compare_source(notebook: Notebook, opened: dict[str, Any], approval: Approval) -> Iterator[Finding]:
    """Yield each difference between a notebook and its approved source, and between its and the run's parameters."""
    given = opened.get("parameters")
    yield from source_cells.parameters(notebook, given if isinstance(given, dict) else {})
    if not approval.wanted:
        yield Finding(
            kind=Kind.NOTE, part="source", message="the code was not compared with an approved source"
        )
        return
    notes: list[Finding] = []
    approved = template(opened, approval, notes)
    yield from notes
    if approved is not None:
        yield from source_cells.compare(notebook, approved)


def _outputs(found: _Files, told: Told) -> Iterator[Finding]:
    for name in found.names:
        if name.startswith("output/") and found.hash(name) not in {None, name.removeprefix("output/")}:
            message = "its bytes are not those it is named for"
            yield Finding(kind=Kind.ALTERED, part="output", where=name, message=message)
    there = set(found.names)
    for step, host, command, stream in told.streams():
        name = f"output/{stream['sha256']}"
        where = f"step {step} {host} command {command}"
        if name not in there:
            yield _missing("output", where, f"the whole output is not there: {name}")
        elif found.hash(name) and (found.path / name).lstat().st_size != stream["size"]:
            message = f"{name} has not the {stream['size']} bytes that the journal tells"
            yield Finding(kind=Kind.ALTERED, part="output", where=where, message=message)


def _parameters(found: _Files, told: Told) -> Iterator[Finding]:
    data = found.bytes.get(PARAMETERS)
    if data is None:
        if PARAMETERS not in found.names:
            yield _missing("parameters", PARAMETERS, "there is no such file")
        return
    given = told.opened.get("parameters")
    if not told.opened or data == yaml.safe_dump(given, sort_keys=False, allow_unicode=True).encode():
        return
    try:
        same = yaml.safe_load(data) == given
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        same = False
    if not same:
        message = "it is not what the journal tells the run was given"
        yield Finding(kind=Kind.ALTERED, part="parameters", where=PARAMETERS, message=message)


def _uncovered(path: Path, digests: dict[str, str]) -> Iterator[Finding]:
    """Yield what else lies in the directory: reports made again at will, links, other files."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.name in digests or entry.name in {ATTESTATION, "output"}:
            continue
        if entry.is_symlink():
            message = "a symbolic link: it is not followed, and no evidence"
            yield Finding(kind=Kind.WARNING, part="files", where=entry.name, message=message)
        elif entry.name not in DERIVED:
            message = "it is no evidence: no seal covers it"
            yield Finding(kind=Kind.NOTE, part="files", where=entry.name, message=message)


def _missing(part: Any, where: str, message: str) -> Finding:  # noqa: ANN401 - one of Part
    return Finding(kind=Kind.MISSING, part=part, where=where, message=message)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
