"""Archived evidence, altered: verification never says verified, and its readers agree or end with their own error."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from runbook_lib.attestation.trust import Trust
from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.follower import JournalFollower
from runbook_lib.evidence.lookup import read_run
from runbook_lib.evidence.seal_contents import seal_problem
from runbook_lib.model.status import Status
from runbook_lib.report.data_frames import tables
from runbook_lib.report.html import page
from runbook_lib.report.junit import junit
from runbook_lib.report.markdown import markdown
from tests.audit.altering import forge_journal, journal
from tests.evidence.record_expected import copy_archive
from tests.fuzz.harness import fuzzed, one_message
from tests.fuzz.mutations import mutated_bytes, mutated_json, mutated_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.audit.verify.verdict import Verdict

ARCHIVE = Path(__file__).parents[1] / "evidence" / "old_archive"
_LARGEST = 35_000  # bytes of a journal: each example reads one several times
RUNS = sorted(
    path.parent.name for path in (ARCHIVE / "runs").glob("*/journal.jsonl") if path.stat().st_size < _LARGEST
)
FILES = ("journal.jsonl", "notebook.ipynb", "parameters.yml", "attestation.json", "output")
SUBJECTS = frozenset(FILES) - {"attestation.json"}


@dataclass(frozen=True)
class Auditor:
    """Verifies runs by the archive's trusted keys and approved sources.

    Args:
        top: A copy of the archive; nothing in it is changed.
    """

    top: Path

    def verify(self, path: Path) -> Verdict:
        trust, approved = Trust.load(self.top / "trusted_keys"), Approval(directory=self.top / "sources")
        return verify_run(path, trust=trust, approved=approved)

    @contextlib.contextmanager
    def copy(self, run: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="runbook-fuzz-") as place:
            yield Path(shutil.copytree(self.top / "runs" / run, Path(place) / "runs" / run))


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Auditor:
    found = Auditor(copy_archive(tmp_path_factory.mktemp("fuzz") / "archive"))
    words = {found.verify(found.top / "runs" / run).verdict for run in RUNS}
    assert Word.VERIFIED in words, words
    return found


def file_of(run: Path, name: str) -> Path | None:
    path = run / name
    if path.is_dir():
        return min(path.iterdir(), default=None)
    return path if path.exists() else None


def check_readers(run: Path, verdict: Verdict) -> None:
    """Check that whatever reads a run directory says the same of it, or ends with its own error."""
    for _ in JournalFollower(run).new_entries():
        pass
    with contextlib.suppress(FileNotFoundError):
        assert isinstance(seal_problem(run, (run / "journal.jsonl").read_bytes()), str)
    rows = Archive(run.parent, cache=run.parent.parent / "cache").runs
    archived = [Status(status) for status, mode in zip(rows["status"], rows["mode"], strict=True) if mode]
    try:
        record = read_run(run)
    except EvidenceError as problem:
        one_message(problem)
        assert verdict.verdict is not Word.VERIFIED
        assert not [status for status in archived if status.is_success]
        return
    assert Status(verdict.status) is record.status
    assert archived in ([], [record.status]), (archived, record.status)
    suite = ET.fromstring(junit([record]))  # noqa: S314 - our own
    green = not [*suite.iter("failure"), *suite.iter("error")]
    assert green == (record.status.is_success or record.status is Status.SKIPPED), record.status
    assert page([record], "x")
    assert markdown([record], "x")
    assert tables([record])


@fuzzed(5, run=st.sampled_from(RUNS), name=st.sampled_from(FILES), drawn=st.data())
def test_changed_bytes(auditor: Auditor, run: str, name: str, drawn: st.DataObject) -> None:
    with auditor.copy(run) as copy:
        file = file_of(copy, name)
        if file is None:
            return
        before = file.read_bytes()
        file.write_bytes(drawn.draw(mutated_bytes(before)))
        verdict = auditor.verify(copy)
        if name in SUBJECTS and file.read_bytes() != before:
            assert verdict.verdict is not Word.VERIFIED
        check_readers(copy, verdict)


@fuzzed(5, run=st.sampled_from(RUNS), drawn=st.data())
def test_a_journal_forged_with_valid_seals(auditor: Auditor, run: str, drawn: st.DataObject) -> None:
    with auditor.copy(run) as copy:
        before = journal(copy)

        def change(entries: list[dict[str, Any]]) -> None:
            changed = drawn.draw(mutated_json(entries, most=2))
            good = isinstance(changed, list) and all(isinstance(entry, dict) for entry in changed)
            entries[:] = [{"seal": "", **entry} for entry in changed] if good else []

        try:
            forge_journal(copy, change)
        except ValueError:  # half a character, which no journal can have; or the archive's own altered line
            return
        verdict = auditor.verify(copy)
        if journal(copy) != before:
            assert verdict.verdict is not Word.VERIFIED
        check_readers(copy, verdict)


@fuzzed(5, run=st.sampled_from(RUNS), drawn=st.data())
def test_a_changed_notebook(auditor: Auditor, run: str, drawn: st.DataObject) -> None:
    with auditor.copy(run) as copy:
        file = copy / "notebook.ipynb"
        if not file.exists():
            return
        before = file.read_text(encoding="utf-8")
        after = json.dumps(drawn.draw(mutated_json(json.loads(before))), indent=1)
        file.write_text(after, encoding="utf-8")
        verdict = auditor.verify(copy)
        assert after == before or verdict.verdict is not Word.VERIFIED
        check_readers(copy, verdict)
        alone = Path(shutil.copy(file, copy.parent.parent / "alone.ipynb"))
        verdict = auditor.verify(alone)
        assert verdict.verdict is not Word.VERIFIED
        try:
            record = read_run(alone)
        except EvidenceError as problem:
            one_message(problem)
            assert not Status(verdict.status).is_success
        else:
            assert Status(verdict.status) is record.status


@fuzzed(5, run=st.sampled_from(RUNS), inside=st.booleans(), drawn=st.data())
def test_a_changed_attestation(auditor: Auditor, run: str, inside: bool, drawn: st.DataObject) -> None:  # noqa: FBT001 - drawn
    with auditor.copy(run) as copy:
        file = copy / "attestation.json"
        if not file.exists():
            return
        envelope = json.loads(file.read_bytes())
        statement = json.loads(base64.b64decode(envelope["payload"]))
        changed: Any = envelope
        if inside:
            text = json.dumps(drawn.draw(mutated_json(statement)))
            envelope["payload"] = base64.b64encode(text.encode()).decode()
        else:
            changed = drawn.draw(mutated_json(envelope))
        file.write_text(json.dumps(changed), encoding="utf-8")
        verdict = auditor.verify(copy)
        if verdict.verdict is Word.VERIFIED:
            payload = json.loads(file.read_bytes())["payload"]
            assert json.loads(base64.b64decode(payload)) == statement
        check_readers(copy, verdict)


@fuzzed(
    4,
    run=st.sampled_from(RUNS),
    other=st.sampled_from(RUNS),
    names=st.sets(st.sampled_from(FILES), min_size=1),
)
def test_files_of_another_run(auditor: Auditor, run: str, other: str, names: set[str]) -> None:
    with auditor.copy(run) as copy:
        for name in names:
            if (copy / name).is_dir():
                shutil.rmtree(copy / name)
            (copy / name).unlink(missing_ok=True)
            source = auditor.top / "runs" / other / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            elif source.exists():
                shutil.copy(source, copy / name)
        verdict = auditor.verify(copy)
        if run != other:
            assert verdict.verdict is not Word.VERIFIED or names == {"output"}
        check_readers(copy, verdict)


@fuzzed(5, run=st.sampled_from(RUNS), drawn=st.data())
def test_lines_of_a_journal_removed_doubled_or_moved(
    auditor: Auditor, run: str, drawn: st.DataObject
) -> None:
    with auditor.copy(run) as copy:
        before = (copy / "journal.jsonl").read_text(encoding="utf-8")
        after = drawn.draw(mutated_text([before]))
        (copy / "journal.jsonl").write_text(after, encoding="utf-8", errors="surrogatepass", newline="")
        verdict = auditor.verify(copy)
        assert after == before or verdict.verdict is not Word.VERIFIED
        check_readers(copy, verdict)
