"""Verify a run directory. `verify_directory` is the specification; the rest of the module carries out its steps."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from runbook_lib.audit.lost_lines import LOST, lost_lines
from runbook_lib.audit.verify import source_cells
from runbook_lib.audit.verify.approved_source import approved_notebook
from runbook_lib.audit.verify.attestation_check import (
    Attestation,
    check_signatures,
    check_statement,
    compare_inputs,
    compare_run,
    compare_subjects,
    read_attestation,
)
from runbook_lib.audit.verify.broken_chain import check_clock, explain_break
from runbook_lib.audit.verify.embedded_records import compare_records
from runbook_lib.audit.verify.evidence_files import open_evidence
from runbook_lib.audit.verify.findings import Findings
from runbook_lib.audit.verify.recorded_connections import check_connections
from runbook_lib.audit.verify.resumed_run import follow_resumed
from runbook_lib.audit.verify.verdict import Verdict, text_of
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.exposed_secrets import ExposedSecrets
from runbook_lib.evidence.journal_view import JournalView
from runbook_lib.evidence.judgement import judge_run
from runbook_lib.evidence.layout import ATTESTATION, DERIVED, JOURNAL, NOTEBOOK, OUTPUT, PARAMETERS
from runbook_lib.evidence.notebook import Notebook
from runbook_lib.model.status import Status
from runbook_lib.yaml_files import load_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.attestation.trust import Trust
    from runbook_lib.audit.verify.approved_source import Approval
    from runbook_lib.audit.verify.evidence_files import EvidenceFiles
    from runbook_lib.evidence.chain import JournalEntry

__all__ = ["compare_source", "verify_directory"]

_MOST_PARAMETERS = 16 << 20  # bytes


def verify_directory(path: Path, trust: Trust, approval: Approval, signers: int) -> Verdict:
    """Return the verdict on a run directory.

    Args:
        path: The run directory.
        trust: Trusted public keys.
        approval: Where approved sources are.
        signers: How many different trusted keys must have signed.
    """
    findings = Findings()
    # A part that cannot be read at all counts as empty in the steps that follow.
    journal, notebook, attestation, status = JournalView(), None, Attestation(), Status.UNKNOWN
    with open_evidence(path, findings) as files:
        # 1. The journal's hash chain is unbroken from the start of the run to its end.
        with findings.part("journal", JOURNAL):
            journal = read_journal(files, findings)

        # 2. The notebook embeds the records that the journal has, and no others.
        with findings.part("notebook", NOTEBOOK):
            notebook = read_notebook(files, approval, journal.exposed, findings)
            if notebook and journal.started:
                compare_records(notebook, journal, findings)

        # 3. The code that ran is the approved source, and it ran with the parameters in the journal.
        with findings.part("source", NOTEBOOK):
            if notebook and journal.started:
                compare_source(notebook, journal.started, approval, findings, journal.exposed)
            if journal.copied:
                check_copy(journal, files, approval, findings)

        # 4. Each stored output matches the SHA-256 in its name, and each output that the journal refers to is stored.
        with findings.part("output", OUTPUT):
            check_outputs(files, journal, findings)

        # 5. The parameters file has the parameters in the journal.
        with findings.part("parameters", PARAMETERS):
            check_parameters(files, journal, findings)

        # 6. The run ended as its journal says, unless the notebook contradicts it.
        with findings.part("notebook", NOTEBOOK):
            if journal.started:
                status = judged_status(path, journal, notebook, findings)

        # 7. The run that this run resumes is still the one that it read.
        with findings.part("journal", JOURNAL):
            follow_resumed(path, journal.started, findings)
            check_connections(journal, findings)
            list_exposed_secrets(journal, findings)

        # 8. Enough trusted keys signed the attestation, and its statement is about these files and this run.
        with findings.part("attestation", ATTESTATION):
            attestation = read_attestation(path, trust, findings)
            check_signatures(attestation, trust, signers, findings)
            check_statement(attestation, findings)
            compare_subjects(attestation, files.digests(), findings)
            compare_run(attestation, journal, status, findings)
            compare_inputs(attestation, journal, files.digests(), findings)

        # 9. Whatever else is in the directory is not evidence.
        with findings.part("files", ""):
            list_other_files(path, files, findings)
    return Verdict.of(
        path,
        findings,
        journal.started,
        status=status,
        ended=text_of(journal.ended, "ended").replace("+00:00", "Z"),
        result=text_of(attestation.predicate, "result"),
        sealed=attestation.sealed,
        signers=attestation.signers,
        keys_from=str(trust),
        source_from=str(approval),
        not_covered=sorted(name for name in DERIVED if (path / name).exists()),
    )


def read_journal(files: EvidenceFiles, findings: Findings) -> JournalView:
    """Return what the journal has up to the first line that breaks its chain."""
    data = files.contents.get(JOURNAL)
    if data is None:
        if JOURNAL not in files.names:
            findings.missing("no journal: there is no record of what was done")
        return JournalView()
    lines = read_lines(data)
    if lines.problem:
        explain_break(data, lines, findings)
    view = JournalView.of(lines)
    if not lines.entries:
        findings.missing("does not begin with the start of a run")
    elif view.started.get("n") != 1:
        findings.altered("does not begin with the start of a run")
    proofs = lost_lines(view, data, files.content) if lines.cut_off or not lines.problem else []
    for proof in proofs:
        findings.altered(f"{LOST}: {proof}")
    if not (view.ended or lines.problem or proofs):
        findings.missing("no end-of-run line: the run was cut off, or is still running")
    _check_meaning(view, findings)
    directory, run = files.path.resolve().name, view.started.get("run")
    if view.started and run != directory:
        # A good run copied over a failed one would otherwise stand in for it.
        message = f"the directory is named {directory!r}, but contains run {run!r}"
        findings.altered(message, where="", part="files")
    check_clock(lines.entries, findings)
    return view


def _check_meaning(view: JournalView, findings: Findings) -> None:
    if view.contradiction:
        findings.altered(view.contradiction)
    if view.not_understood:
        findings.missing(f"{view.not_understood}: verify it with that version")


def list_exposed_secrets(journal: JournalView, findings: Findings) -> None:
    """Add where secrets were recorded before the run knew them: the run itself says so, nobody altered it."""
    for exposure in journal.exposed.exposures:
        for place in exposure.places:
            findings.warning(
                f"has the value of {exposure.reference} in plain text, recorded before the run knew that it is a "
                "secret: rotate the secret",
                where=str(place),
            )


def read_notebook(
    files: EvidenceFiles, approval: Approval, exposed: ExposedSecrets, findings: Findings
) -> Notebook | None:
    """Return the executed notebook, without exposed secrets; None if there is none that can be read."""
    data = files.contents.get(NOTEBOOK)
    if data is None:
        if NOTEBOOK not in files.names:
            add = findings.missing if approval.wanted else findings.note
            add("no executed notebook: the code that ran cannot be compared")
        return None
    try:
        return without_values(Notebook.parse(data, NOTEBOOK), exposed)
    except EvidenceError as problem:
        findings.missing(problem.message)
        return None


def without_values(notebook: Notebook, exposed: ExposedSecrets) -> Notebook:
    """Return a notebook without the values of exposed secrets: a copy that a run makes of it has none either."""
    return replace(notebook, cells=exposed.mask_data(notebook.cells)) if exposed else notebook


def compare_source(
    notebook: Notebook,
    start: JournalEntry,
    approval: Approval,
    findings: Findings,
    exposed: ExposedSecrets | None = None,
) -> None:
    """Compare a notebook's cells with the approved source, and its parameters with the run's.

    Args:
        notebook: The executed notebook, without exposed secrets.
        start: The record of the run's start.
        approval: Where approved sources are.
        findings: Where to add differences.
        exposed: Secrets that the run has exposed: the approved source may have their values too.
    """
    recorded = start.get("parameters")
    source_cells.compare_parameters(notebook, recorded if isinstance(recorded, dict) else {}, findings)
    if not approval.wanted:
        findings.note("the code was not compared with an approved source", where="")
        return
    approved = approved_notebook(start, approval, findings)
    if approved is not None:
        exposed = exposed or ExposedSecrets()
        plain = without_values(approved, exposed)
        source_cells.compare_cells(notebook, plain, findings, exposed.may_be_same if exposed else None)
        source_cells.compare_metadata(notebook, approved, findings)
        source_cells.compare_file(start, approved, findings)


def check_copy(journal: JournalView, files: EvidenceFiles, approval: Approval, findings: Findings) -> None:
    """Check the copy of the notebook that a run made by hand has taken, and add what it lacks."""
    copied = journal.copied
    if copied["sha256"] and NOTEBOOK in files.readable and files.digest(NOTEBOOK) != copied["sha256"]:
        findings.altered("is not the copy that the run has made of it", part="notebook")
    known = copied["cells"] or copied["from_file"]
    add = findings.note if known or not copied["sha256"] else findings.missing
    add(f"run by hand: {copied['message']}", where=JOURNAL, part="notebook")
    for error in copied.get("errors") or ():
        findings.note(f"cell [{error['count']}] raised {error['error']}", where=JOURNAL, part="notebook")
    if approval.wanted and copied["not_in_copy"]:
        approved = approved_notebook(journal.started, approval, Findings())
        if approved is not None:
            source_cells.compare_ran(copied, without_values(approved, journal.exposed), findings)


def judged_status(path: Path, journal: JournalView, notebook: Notebook | None, findings: Findings) -> Status:
    """Return how the run ended, by its journal and by what the notebook shows besides the run's own records."""
    run = str(journal.started.get("run"))
    broken = [] if run == path.resolve().name else [f"the journal is of run {run}"]
    if notebook is None and os.path.lexists(path / NOTEBOOK):
        broken.append(f"{NOTEBOOK} cannot be read")  # nobody knows what its cells did
    judgement = judge_run(run, journal.status, notebook, broken=broken)
    if judgement.status != journal.status:
        reasons = "; ".join(judgement.problems)
        findings.note(f"the run is {judgement.status}, not {journal.status} as in the journal: {reasons}")
    return judgement.status


def check_outputs(files: EvidenceFiles, journal: JournalView, findings: Findings) -> None:
    """Check the outputs that are stored apart from the records, by their SHA-256."""
    readable: set[str] = set()
    for name in files.outputs:
        try:
            digest = files.digest(name)
        except EvidenceError as problem:
            findings.missing(problem.message, where=name)
            continue
        readable.add(name)
        if digest != name.removeprefix(f"{OUTPUT}/"):
            findings.altered("content does not match the SHA-256 in its name", where=name)
    for step, host, command, stream in journal.stored_outputs():
        name = f"{OUTPUT}/{stream['sha256']}"
        where = f"step {step} {host} command {command}"
        if name not in files.names:
            findings.missing(f"the complete output is missing: {name}", where=where)
        elif name in readable and (files.path / name).lstat().st_size != stream["size"]:
            findings.altered(f"{name} does not have the {stream['size']} bytes in the journal", where=where)


def check_parameters(files: EvidenceFiles, journal: JournalView, findings: Findings) -> None:
    """Compare the parameters file with the parameters in the journal."""
    data = files.contents.get(PARAMETERS)
    if data is None:
        if PARAMETERS not in files.names:
            findings.missing("no such file")
        return
    if not journal.started:
        return
    if len(data) > _MOST_PARAMETERS:
        findings.altered(f"{len(data)} bytes, larger than any run writes this file: not read")
        return
    try:
        loaded = load_yaml(data)
    except (ValueError, RecursionError) as problem:
        findings.altered(f"cannot be interpreted: {problem}")
        return
    # As in the journal: below this name numbers are masked too.
    masked = journal.exposed.mask_data({"parameters": loaded})
    if masked["parameters"] != journal.started.get("parameters"):
        findings.altered("differs from the parameters in the journal")


def list_other_files(path: Path, files: EvidenceFiles, findings: Findings) -> None:
    """List what is in the directory and is not evidence, except reports, which can be made again at any time."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.name in files.readable or entry.name in {ATTESTATION, OUTPUT}:
            continue
        if entry.is_symlink():
            findings.warning("a symbolic link: not followed, and not evidence", where=entry.name)
        elif entry.name not in DERIVED:
            findings.note("not evidence: no seal covers it", where=entry.name)
