"""A journal whose lines were changed, removed or sealed again is found, with the line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.attestation import seal
from runbook_lib.audit.verify.verdict import Word
from runbook_lib.evidence.chain import FIRST, chain
from runbook_lib.evidence.judgement import judged_record
from runbook_lib.report.junit import write_junit
from tests.audit.altering import (
    edit_notebook,
    forge_journal,
    forget_end,
    found,
    journal,
    kill_before_end,
    put_journal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner

    from tests.audit.conftest import Judge

Data = dict[str, Any]


def drop(number: int) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        del lines[number - 1]

    return change


def swap(number: int) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        lines[number - 1], lines[number] = lines[number], lines[number - 1]

    return change


def replace(number: int) -> Callable[[list[bytes]], None]:
    def change(lines: list[bytes]) -> None:
        lines[number - 1] = lines[number - 1].replace(b'"step":1,', b'"step":2,', 1)

    return change


@pytest.mark.parametrize("number", [2, 7, 12])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "line {0} missing or moved; line {1} found instead"),
        (swap, "line {0} missing or moved; line {1} found instead"),
        (replace, "line {0} was altered: its seal is broken"),
    ],
    ids=["removed", "reordered", "altered"],
)
@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "never-sealed"])
def test_a_journal_that_was_changed_says_at_which_line(  # noqa: PLR0913, PLR0917 - a table
    number: int,
    change: Callable[[int], Callable[[list[bytes]], None]],
    message: str,
    is_sealed: bool,  # noqa: FBT001 - as above
    run: Path,
    operator: CryptoSigner,
    judge: Judge,
) -> None:
    if is_sealed:
        seal(run, [operator])
    lines = journal(run)
    change(number)(lines)
    put_journal(run, lines)
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    assert verdict.status == "unknown"
    finding = found(verdict, "journal", message.format(number, number + 1))
    assert finding.where == f"journal.jsonl line {number}"


def test_a_line_with_a_new_seal_is_found_by_the_line_after_it(run: Path, judge: Judge) -> None:
    before = journal(run)
    forge_journal(run, lambda entries: entries[4].update(time=entries[3]["time"]))
    forged = journal(run)
    put_journal(run, [*before[:4], forged[4], *before[5:]])
    verdict = judge(run)
    assert verdict.verdict is Word.ALTERED
    assert found(verdict, "journal", "line 5 was replaced later").where.endswith("line 6")


def test_a_whole_journal_with_new_seals_is_found_by_the_attestation_and_by_the_notebook(
    sealed: Path, judge: Judge
) -> None:
    def change(entries: list[Data]) -> None:
        line = next(
            entry for entry in entries if entry["event"] == "command_ended" and entry["exit_code"] == 0
        )
        line["exit_code"] = 7

    forge_journal(sealed, change)
    verdict = judge(sealed)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "journal", "changed after it was sealed")
    assert found(verdict, "notebook", "exit_code").message == "the notebook has 0, the journal 7"


def test_a_run_without_its_end_is_incomplete_even_if_it_is_signed(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    kill_before_end(run)
    done = seal(run, [operator])
    assert done.result == "FAILED"
    verdict = judge(run)
    assert (verdict.verdict, verdict.status) == (Word.INCOMPLETE, "unknown")
    found(verdict, "journal", "no end-of-run line")
    assert "sealed later" in found(verdict, "attestation", "sealed later").message


@pytest.mark.parametrize("lines", [1, 5, 12])
@pytest.mark.parametrize("end", [b"", b'{"n":'], ids=["at a line's end", "in a line"])
def test_a_cut_journal_is_altered_if_the_notebook_knows_more(
    lines: int, end: bytes, run: Path, judge: Judge
) -> None:
    (run / "junit.xml").unlink()
    put_journal(run, journal(run)[:-lines])
    (run / "journal.jsonl").write_bytes((run / "journal.jsonl").read_bytes() + end)
    verdict = judge(run)
    assert (verdict.verdict, verdict.status) == (Word.ALTERED, "unknown")
    ended = "lines at the end of the journal are missing: notebook.ipynb shows the end of"
    found(verdict, "journal", f"{ended} the run")
    edit_notebook(run, forget_end)
    without_end = judge(run)
    if lines == 1:
        assert without_end.verdict is Word.INCOMPLETE
    else:
        assert without_end.verdict is Word.ALTERED
        found(without_end, "journal", f"{ended} step")
    (run / "notebook.ipynb").unlink()
    assert judge(run, source=False).verdict is Word.INCOMPLETE


def test_a_cut_journal_is_altered_if_the_report_knows_more(run: Path, judge: Judge) -> None:
    (run / "notebook.ipynb").unlink()
    put_journal(run, journal(run)[:-3])
    verdict = judge(run, source=False)
    assert verdict.verdict is Word.ALTERED
    found(verdict, "journal", "junit.xml was made when the run had ended")
    write_junit([judged_record(run)], run / "junit.xml")
    assert judge(run, source=False).verdict is Word.INCOMPLETE


def test_a_journal_from_before_there_were_seals_is_still_verified(
    run: Path, operator: CryptoSigner, judge: Judge
) -> None:
    lines: list[bytes] = []
    previous = FIRST
    for line in journal(run):
        entry = json.loads(line) | {"previous": previous}
        del entry["seal"]
        lines.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())
        previous = chain(lines[-1])
    put_journal(run, lines)
    seal(run, [operator])
    assert judge(run).verdict is Word.VERIFIED
