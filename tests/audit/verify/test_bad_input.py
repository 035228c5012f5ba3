"""Whatever a run directory contains, verification ends with a verdict, and changed bytes are never verified."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.attestation import seal
from runbook_lib.attestation.envelope import open_envelope
from runbook_lib.audit.verify.findings import Kind
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.reader import read_journal
from tests.audit.altering import edit_notebook, forge_journal, found, journal, put_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge

Data = dict[str, Any]
MIB = 1 << 20


def test_a_journal_cut_at_any_byte_of_its_last_lines_is_readable_and_incomplete(
    run: Path, judge: Judge
) -> None:
    for name in ("notebook.ipynb", "junit.xml"):  # they would prove that the journal was longer
        (run / name).unlink()
    file = run / "journal.jsonl"
    whole = file.read_bytes()
    first = len(whole) - sum(len(line) + 1 for line in journal(run)[-3:])
    for end in range(first, len(whole)):
        file.write_bytes(whole[:end])
        verdict = judge(run, source=False)
        assert verdict.verdict is Word.INCOMPLETE, end
        assert verdict.status == "unknown"
        assert verdict.run == run.name
        if whole[end - 1 : end] != b"\n":
            line = whole[:end].count(b"\n") + 1
            assert found(verdict, "journal", "is cut off").where == f"journal.jsonl line {line}"
        else:
            found(verdict, "journal", "no end-of-run line")


def test_a_sealed_journal_that_was_cut_is_altered_and_says_where(sealed: Path, judge: Judge) -> None:
    file = sealed / "journal.jsonl"
    whole = file.read_bytes()
    last = len(journal(sealed))
    for end in range(len(whole) - len(journal(sealed)[-1]), len(whole), 7):
        file.write_bytes(whole[:end])
        verdict = judge(sealed, source=False)
        assert verdict.verdict is Word.ALTERED
        assert found(verdict, "journal", "is cut off").where == f"journal.jsonl line {last}"


@pytest.mark.parametrize("data", [b"", b"\n", b"\0", b"{}\n", b"[]\n", b'"', b"\xff\xfe\n", b"null\n"])
@pytest.mark.parametrize("name", ["journal.jsonl", "notebook.ipynb", "parameters.yml", "attestation.json"])
def test_a_file_that_is_something_else_is_a_finding(
    name: str, data: bytes, sealed: Path, judge: Judge
) -> None:
    (sealed / name).write_bytes(data)
    assert judge(sealed).verdict in {Word.ALTERED, Word.INCOMPLETE}


@pytest.mark.parametrize("name", ["journal.jsonl", "notebook.ipynb", "parameters.yml", "attestation.json"])
@pytest.mark.parametrize("piece", [b"[", b'{"a":'], ids=["lists", "objects"])
def test_json_nested_beyond_all_depth_is_a_finding(
    name: str, piece: bytes, sealed: Path, judge: Judge
) -> None:
    (sealed / name).write_bytes(piece * 200_000 + b"\n")
    assert judge(sealed).verdict in {Word.ALTERED, Word.INCOMPLETE}


@pytest.mark.parametrize("depth", [300, 900])
def test_nesting_that_can_just_be_read_is_compared_or_listed(depth: int, run: Path, judge: Judge) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]

    def change(content: Data) -> None:
        for cell in content["cells"]:
            for output in cell.get("outputs", []):
                for data in output.get("data", {}).values():
                    if isinstance(data, dict):
                        data["title"] = deep

    edit_notebook(run, change)
    assert judge(run).verdict is Word.ALTERED


def test_invalid_utf_8_is_reported_with_its_line(sealed: Path, judge: Judge) -> None:
    lines = journal(sealed)
    number = next(number for number, line in enumerate(lines) if b'"command' in line)
    lines[number] = lines[number].replace(b'"command', b'"comm\xffnd', 1)
    put_journal(sealed, lines)
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    assert [item.where for item in verdict.findings if "not JSON" in item.message] == [
        f"journal.jsonl line {number + 1}"
    ]


@pytest.mark.parametrize("value", ["9" * 5000, "NaN", "1e999", "-0"])
def test_numbers_that_json_readers_differ_on_are_no_crash(value: str, run: Path, judge: Judge) -> None:
    lines = journal(run)
    lines[3] = lines[3].replace(b'"step":1', b'"step":' + value.encode(), 1)
    put_journal(run, lines)
    assert judge(run).verdict is Word.ALTERED
    with pytest.raises(EvidenceError):
        read_journal(run / "nothing.jsonl")
    read_journal(run)


def test_a_clock_that_went_backwards_is_a_warning_and_no_crash(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    def change(entries: list[Data]) -> None:
        before = datetime.fromisoformat(entries[4]["time"]) - timedelta(hours=1)
        entries[5]["time"] = before.isoformat()

    forge_journal(run, change)
    seal(run, [operator])
    verdict = judge(run)
    assert verdict.verdict is Word.VERIFIED
    finding = found(verdict, "journal", "clock went backwards")
    assert (finding.kind, finding.where) == (Kind.WARNING, "journal.jsonl line 6")


def test_an_output_of_any_size_is_hashed_in_pieces(sealed: Path, judge: Judge) -> None:
    output = next((sealed / "output").iterdir())
    os.truncate(output, 300 * MIB)
    tracemalloc.start()
    verdict = judge(sealed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.verdict is Word.ALTERED
    assert peak < 30 * MIB


def test_a_notebook_too_large_to_read_is_refused_and_not_read(sealed: Path, judge: Judge) -> None:
    os.truncate(sealed / "notebook.ipynb", 1 << 33)
    verdict = judge(sealed)
    assert verdict.verdict is Word.INCOMPLETE
    found(verdict, "files", "larger than 1024 MiB")


@pytest.mark.parametrize(
    "name", ["journal.jsonl", "notebook.ipynb", "parameters.yml", "attestation.json", "output"]
)
def test_a_link_out_of_the_run_directory_is_refused_even_to_equal_bytes(
    name: str, sealed: Path, judge: Judge, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    (sealed / name).rename(moved)
    (sealed / name).symlink_to(moved)
    verdict = judge(sealed)
    assert verdict.verdict in {Word.INCOMPLETE, Word.ALTERED}
    assert [item for item in verdict.findings if "a symbolic link" in item.message]


def test_an_output_that_is_a_link_is_refused(sealed: Path, judge: Judge, tmp_path: Path) -> None:
    output = next((sealed / "output").iterdir())
    output.rename(tmp_path / "moved")
    output.symlink_to(tmp_path / "moved")
    verdict = judge(sealed)
    assert verdict.verdict is Word.INCOMPLETE
    found(verdict, "output", "a symbolic link")


def test_a_pipe_or_a_directory_in_place_of_a_file_ends_with_a_verdict(sealed: Path, judge: Judge) -> None:
    for make in (os.mkfifo, os.mkdir):
        target = sealed / "parameters.yml"
        target.unlink(missing_ok=True)
        make(target)
        verdict = judge(sealed)
        assert verdict.verdict is Word.INCOMPLETE
        assert found(verdict, "files", "not a regular file").where == "parameters.yml"
        if target.is_fifo():
            target.unlink()


def test_a_seal_from_another_run_does_not_fit(
    sealed: Path, other: Path, operator: CryptoSigner, judge: Judge, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(other, tmp_path / other.name))
    seal(copy, [operator])
    shutil.copy(copy / "attestation.json", sealed)
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    assert verdict.signers[0].valid
    found(verdict, "attestation", f"about run {other.name!r}")


def test_a_signature_of_another_run_does_not_hold(
    sealed: Path, other: Path, operator: CryptoSigner, judge: Judge, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(other, tmp_path / other.name))
    seal(copy, [operator])
    attestation = json.loads((sealed / "attestation.json").read_bytes())
    attestation["signatures"] = json.loads((copy / "attestation.json").read_bytes())["signatures"]
    (sealed / "attestation.json").write_text(json.dumps(attestation), encoding="utf-8")
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    assert (verdict.signers[0].valid, verdict.signers[0].trusted) == (False, False)
    found(verdict, "attestation", "is invalid")


SUBJECTS = ["journal.jsonl", "notebook.ipynb", "parameters.yml", "output"]
QUIET = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def changed(run: Path, name: str, change: Callable[[bytes], bytes]) -> tuple[Path, bool]:
    """Copy a run with one file changed; return the copy, and whether that changed anything."""
    copy = Path(tempfile.mkdtemp()) / run.name
    shutil.copytree(run, copy)
    file = copy / name
    if file.is_dir():
        file = min(file.iterdir())
    before = file.read_bytes()
    file.write_bytes(change(before))
    return copy, file.read_bytes() != before


@QUIET
@given(name=st.sampled_from(SUBJECTS), where=st.floats(0, 1), flip=st.integers(1, 255))
def test_a_flipped_byte_of_any_subject_is_never_verified(
    name: str, where: float, flip: int, sealed: Path, judge: Judge
) -> None:
    def change(data: bytes) -> bytes:
        at = min(int(where * len(data)), len(data) - 1)
        return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]

    copy, _ = changed(sealed, name, change)
    try:
        assert judge(copy).verdict is Word.ALTERED or judge(copy).verdict is Word.INCOMPLETE
    finally:
        shutil.rmtree(copy.parent)


@QUIET
@given(where=st.floats(0, 1), old=st.integers(0, 40), new=st.binary(max_size=40))
def test_bytes_changed_in_an_attestation_are_verified_only_where_they_say_the_same(
    where: float, old: int, new: bytes, sealed: Path, judge: Judge
) -> None:
    def change(data: bytes) -> bytes:
        at = int(where * len(data))
        return data[:at] + new + data[at + old :]

    copy, _ = changed(sealed, "attestation.json", change)
    try:
        if judge(copy).verdict is Word.VERIFIED:
            assert open_envelope(copy)[1] == open_envelope(sealed)[1]
    finally:
        shutil.rmtree(copy.parent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@QUIET
@given(number=st.integers(0, 30), key=st.integers(0, 12), value=JSON, gone=st.booleans())
def test_a_journal_forged_with_any_value_anywhere_gets_a_verdict(  # noqa: PLR0913, PLR0917 - what is drawn
    number: int,
    key: int,
    value: object,
    gone: bool,  # noqa: FBT001 - drawn
    run: Path,
    judge: Judge,
) -> None:
    def change(entries: list[Data]) -> None:
        entry = entries[number % len(entries)]
        name = list(entry)[key % len(entry)]
        if gone and name != "seal":
            del entry[name]
        elif name != "seal":
            entry[name] = value

    copy, _ = changed(run, "journal.jsonl", lambda data: data)
    try:
        forge_journal(copy, change)
        assert judge(copy).verdict is not Word.VERIFIED
        try:
            read_journal(copy)
        except EvidenceError as problem:
            assert str(copy) in str(problem)  # noqa: PT017 - either is right, anything else is not
    finally:
        shutil.rmtree(copy.parent)


@QUIET
@given(
    cell=st.integers(0, 11), key=st.sampled_from(["source", "outputs", "metadata", "cell_type"]), value=JSON
)
def test_a_notebook_with_any_value_anywhere_gets_a_verdict(
    cell: int, key: str, value: object, sealed: Path, judge: Judge
) -> None:
    copy, _ = changed(sealed, "notebook.ipynb", lambda data: data)
    try:
        before = (copy / "notebook.ipynb").read_bytes()
        edit_notebook(
            copy, lambda content: content["cells"][cell % len(content["cells"])].update({key: value})
        )
        same = (copy / "notebook.ipynb").read_bytes() == before
        assert same or judge(copy).verdict is not Word.VERIFIED
        alone = Path(shutil.copy(copy / "notebook.ipynb", copy.parent / "alone.ipynb"))
        assert judge(alone).verdict is not Word.VERIFIED
    finally:
        shutil.rmtree(copy.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: &l0 [x, x, x]\n" + "".join(f"b{n}: &l{n} [{f'*l{n - 1}, ' * 30}]\n" for n in range(1, 9)),
            "aliases",
        ),
        ("[" * 100_000, "levels deep"),
        ("a: " + "x" * (16 * MIB), "larger than any run writes this file"),
    ],
)
def test_yaml_in_an_archive_costs_the_auditor_a_bounded_time(
    run: Path, judge: Judge, text: str, message: str
) -> None:
    (run / "parameters.yml").write_text(text, encoding="utf-8")
    assert found(judge(run, source=False), "parameters", message).kind == "altered"
