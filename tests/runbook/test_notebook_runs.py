"""The directories of a notebook's runs, what keeps a run from starting, and what follows its end."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import (
    EvidenceError,
    InputError,
    InventoryError,
    SecretError,
    StepFailed,
)
from runbook_lib.evidence.chain import read_lines
from runbook_lib.evidence.reader import read_journal
from runbook_lib.model.status import Status
from tests.runbook.practice import (
    Content,
    Does,
    Holds,
    assert_journal_agrees,
    hello,
    parameters,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SECRET = "correct-horse/battery'staple"  # noqa: S105 - a made-up one


def test_two_simultaneous_runs_have_separate_directories(tmp_path: Path) -> None:
    one, other = Runbook.open(parameters(tmp_path)), Runbook.open(parameters(tmp_path))
    assert one.directory != other.directory
    for book in (one, other):
        book.step("Nothing", Does(("true",)))
        book.close()
        assert_journal_agrees(book)


def test_a_run_directory_is_private_and_has_the_parameters_as_given(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    book.step("Flood", Does(("sh", "-c", "yes | head -c 100000")))
    book.close()
    assert [path for path in book.directory.rglob("*") if path.stat().st_mode & 0o077] == []
    assert book.directory.stat().st_mode & 0o077 == 0
    text = (book.directory / "parameters.yml").read_text(encoding="utf-8")
    assert f"inventory: {tmp_path / 'inventory.yml'}" in text


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"hosts": "host-c"}, InventoryError, "unknown host"),
        ({"inventory": "/nowhere/inventory.yml"}, InventoryError, "no such file"),
        ({"runs": "/proc/nowhere"}, EvidenceError, "cannot be made"),
    ],
)
def test_a_run_that_cannot_start_leaves_nothing(
    given: dict[str, str], error: type[InputError], why: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=why):
        Runbook.open(parameters(tmp_path, **given))
    assert not (tmp_path / "runs").exists()


def test_a_secret_without_a_value_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local, sudo_password: '${env:RUNBOOK_TEST_NOT_SET}'}\n",
        encoding="utf-8",
    )
    with pytest.raises(SecretError, match="has no value"):
        Runbook.open(parameters(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_no_byte_of_a_secret_is_in_a_run_directory_whoever_printed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", SECRET)
    place = tmp_path / "place"
    place.mkdir()
    (place / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local, sudo_password: '${env:RUNBOOK_TEST_SECRET}'}\n",
        encoding="utf-8",
    )
    (tmp_path / "leak").write_text(f"password={SECRET}\n", encoding="utf-8")
    book = Runbook.open(parameters(place, on_failure="continue"))
    book.step("Print it", Does(("sh", "-c", 'env; printf %s "$RUNBOOK_TEST_SECRET" >&2')))
    book.step("Encoded", Does(("sh", "-c", 'printf "u:%s" "$RUNBOOK_TEST_SECRET" | base64')))
    book.step("Flood", Does(("sh", "-c", 'yes "$RUNBOOK_TEST_SECRET" | head -n 10000')))
    book.facts("As a fact", Content(str(tmp_path / "leak")))
    with pytest.raises(StepFailed):
        book.step(
            "As a change and a check", Holds(str(tmp_path / "leak"), f"new={SECRET}\n", written="other\n")
        )
    everything = b"".join(path.read_bytes() for path in book.directory.rglob("*") if path.is_file())
    assert b"correct-horse" not in everything
    assert b"staple" not in everything
    assert everything.count(b"${env:RUNBOOK_TEST_SECRET}") > 1000
    assert SECRET not in book.record.model_dump_json()
    assert_journal_agrees(book)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        assert "root" not in os.environ.get("RUNBOOK_REQUIRE", ""), "this machine is meant to let tests mount"
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_ends_the_run_with_a_valid_journal_that_claims_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    book = Runbook.open(parameters(tmp_path, runs=str(small_disk), hosts="host-a"))
    book.step("Greet", hello(tmp_path, "a"))
    with pytest.raises(EvidenceError, match="No space left") as refused:
        book.step("Flood", Does(("sh", "-c", "yes | head -c 500000")))
    assert refused.value.exit_code == 4
    record = read_journal(book.directory)
    assert record.status is Status.UNKNOWN
    assert record.incomplete == "the journal has no end-of-run line"
    assert read_lines((book.directory / "journal.jsonl").read_bytes()).problem == ""
    assert [step.status for step in record.steps] == [Status.CHANGED, Status.UNKNOWN]


def test_a_run_that_has_ended_stays_ended_and_a_further_step_starts_a_new_one(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    failed = book.directory
    waits_for = Does(("cat", str(tmp_path / "repaired")))
    with pytest.raises(StepFailed):
        book.step("Needs repair", waits_for)
    before = (failed / "journal.jsonl").read_bytes()
    with pytest.raises(StepFailed, match="is failed"):
        book.close()
    (tmp_path / "repaired").touch()
    assert statuses(book.step("Needs repair", waits_for)) == ["changed"]
    assert book.directory != failed
    assert book.close().status is Status.CHANGED
    assert_journal_agrees(book)
    assert (failed / "journal.jsonl").read_bytes() == before
    assert read_journal(failed).status is Status.FAILED


def test_closing_a_run_twice_ends_it_once(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    book.step("Fine", Does(("true",)))
    assert book.close() == book.close()
    entries = read_lines((book.directory / "journal.jsonl").read_bytes()).entries
    assert [entry["event"] for entry in entries].count("run_ended") == 1
