"""A journal that is cut off, altered or reordered says at which line, and never reports success."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.audit.verify.verify import verify_run
from runbook_lib.errors import EvidenceError
from runbook_lib.evidence.chain import FIRST, JournalLines, chain, is_sealed, read_lines, seal
from runbook_lib.evidence.journal import Journal
from runbook_lib.evidence.output_store import OutputStore
from runbook_lib.evidence.reader import build_record, read_journal
from runbook_lib.model.records import SCHEMA_VERSION
from runbook_lib.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.model.records import RunRecord

AT = "2026-11-22T15:00:00+00:00"


def write(path: Path, schema_version: int = 1) -> bytes:
    """Write the journal of a run with one step on two hosts, that ended well."""
    journal = Journal(path)
    journal.append(
        "run_started",
        schema_version=schema_version,
        run="20261122T150000Z_10_practice_000000",
        runbook="10_practice",
        title="Übung",
        mode="apply",
        started=AT,
        hosts=["host-a", "host-b"],
        on_failure="stop",
    )
    journal.append(
        "step_started", step=1, title="Say it", kind="operation", hosts=["host-a", "host-b"], started=AT
    )
    for number, host in enumerate(("host-a", "host-b"), start=1):
        place: dict[str, Any] = {"step": 1, "host": host, "command": number}
        journal.append("command_started", **place, kind="change", text="echo 'it'", started=AT)
        journal.append("command_ended", **place, ended=AT, exit_code=0, accepted=True)
        checks = [{"name": "said", "expected": "it", "observed": "it", "holds": True}]
        journal.append(
            "host_ended",
            step=1,
            host=host,
            address=host,
            host_kind="machine",
            status="changed",
            checks=checks,
        )
    journal.append("step_ended", step=1, status="changed", ended=AT)
    journal.append("run_ended", status="changed", ended=AT, steps=1)
    journal.close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("sound") / "journal.jsonl")


def understood(lines: JournalLines) -> RunRecord | None:
    """Assemble a record as `read_journal` does; None where it would refuse."""
    if not lines.entries or lines.entries[0].get("event") != "run_started":
        return None
    return build_record(lines)


def assert_not_proven(data: bytes, at_most: int) -> None:
    """The problem is reported at one of the lines up to `at_most`, and no success is reported."""
    lines = read_lines(data)
    record = understood(lines)
    if record:
        assert record.status is Status.UNKNOWN
        assert record.incomplete
    if lines.problem:
        assert lines.problem.startswith("line ")
        assert int(lines.problem.split()[1]) == len(lines.entries) + 1
        assert len(lines.entries) < at_most
    else:
        assert lines.entries[-1:] == [] or lines.entries[-1]["event"] != "run_ended"


def test_a_valid_journal_is_read_back_as_the_run_it_records(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(sound)
    record = read_journal(tmp_path)
    assert record == read_journal(tmp_path / "journal.jsonl")
    assert (record.status, record.incomplete, record.title) == (Status.CHANGED, "", "Übung")
    (step,) = record.steps
    assert [(host.host, host.status) for host in step.hosts] == [
        ("host-a", Status.CHANGED),
        ("host-b", Status.CHANGED),
    ]
    assert [command.text for host in step.hosts for command in host.commands] == ["echo 'it'"] * 2


def test_each_line_carries_its_number_the_hash_of_the_line_before_and_its_own_seal(sound: bytes) -> None:
    previous = FIRST
    for number, line in enumerate(sound.splitlines(), start=1):
        entry = json.loads(line)
        assert (entry["n"], entry["previous"]) == (number, previous)
        assert list(entry)[-1] == "seal"
        assert is_sealed(line)
        previous = chain(line)


def test_a_journal_cut_at_any_byte_is_not_a_success(sound: bytes) -> None:
    for end in range(len(sound)):
        lines = read_lines(sound[:end])
        assert bool(lines.problem) == (end > 0 and sound[end - 1 : end] != b"\n")
        assert_not_proven(sound[:end], at_most=sound[:end].count(b"\n") + 1)


@given(data=st.data())
def test_a_journal_with_any_byte_changed_says_so_by_line(data: st.DataObject, sound: bytes) -> None:
    place = data.draw(st.integers(0, len(sound) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda other: other != sound[place]))
    altered = sound[:place] + bytes([byte]) + sound[place + 1 :]
    number = sound[:place].count(b"\n") + 1
    assert read_lines(altered).problem
    assert_not_proven(altered, at_most=number + 1)


def test_a_changed_byte_anywhere_in_the_last_line_is_found(sound: bytes) -> None:
    last = sound.rstrip(b"\n").rindex(b"\n") + 1
    for place in range(last, len(sound)):
        for flip in (1, 0x10, 0x80):
            altered = sound[:place] + bytes([sound[place] ^ flip]) + sound[place + 1 :]
            assert_not_proven(altered, at_most=sound.count(b"\n") + 1)


@given(data=st.data())
def test_inserted_bytes_are_found_anywhere(data: st.DataObject, sound: bytes) -> None:
    place = data.draw(st.integers(0, len(sound)))
    put_in = data.draw(st.binary(min_size=1, max_size=8))
    altered = sound[:place] + put_in + sound[place:]
    if altered != sound:
        assert read_lines(altered).problem
        assert_not_proven(altered, at_most=sound[:place].count(b"\n") + 2)


@given(data=st.data())
def test_removed_duplicated_or_swapped_lines_are_found(data: st.DataObject, sound: bytes) -> None:
    lines = sound.splitlines(keepends=True)
    one, other = sorted(
        data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    )
    swapped = [*lines]
    swapped[one], swapped[other] = swapped[other], swapped[one]
    doubled = [*lines[:one], lines[one], *lines[one:]]
    without = [*lines[:one], *lines[one + 1 :]]
    for changed in (swapped, doubled, without):
        problem = read_lines(b"".join(changed)).problem
        assert problem in {
            f"line {one + 1} does not follow from the line before it",
            f"line {one + 2} does not follow from the line before it",
        }
        assert_not_proven(b"".join(changed), at_most=one + 2)


def test_an_altered_line_with_a_new_seal_is_found_by_the_next_line(sound: bytes) -> None:
    lines = sound.splitlines()
    entry = json.loads(lines[3])
    entry.pop("seal")
    entry["exit_code"] = 1
    lines[3] = seal(json.dumps(entry, separators=(",", ":")).encode())
    assert is_sealed(lines[3])
    assert read_lines(b"\n".join([*lines, b""])).problem == "line 5 does not follow from the line before it"


def test_a_journal_from_before_there_were_seals_is_still_read() -> None:
    previous, data = FIRST, b""
    for number in (1, 2):
        line = json.dumps({"n": number, "event": "x", "previous": previous}).encode()
        previous, data = chain(line), data + line + b"\n"
    assert read_lines(data).problem == ""


def test_lines_after_the_end_of_the_run_make_it_unknown(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run_started", run="r", runbook="b", mode="apply", started=AT)
    journal.append("run_ended", status="ok", ended=AT, steps=0)
    journal.append("step_started", step=1, title="too late", kind="operation", hosts=[], started=AT)
    journal.close()
    assert read_journal(tmp_path).status is Status.UNKNOWN


@pytest.mark.parametrize(("more", "status"), [(0, Status.CHANGED), (1, Status.UNKNOWN), (96, Status.UNKNOWN)])
def test_a_journal_of_a_newer_version_proves_nothing(tmp_path: Path, more: int, status: Status) -> None:
    write(tmp_path / "journal.jsonl", SCHEMA_VERSION + more)
    record = read_journal(tmp_path)
    assert record.status is status
    assert ("newer version" in record.incomplete) is bool(more)
    assert [step.title for step in record.steps] == ["Say it"]
    messages = [finding.message for finding in verify_run(tmp_path).findings if finding.kind == "missing"]
    assert any("newer version" in message for message in messages) is bool(more)


def test_what_cannot_be_interpreted_is_said_in_one_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run_started", run="r", runbook="b", mode="rehearse", started="soon", hosts=7)
    journal.close()
    with pytest.raises(EvidenceError) as refused:
        read_journal(tmp_path)
    assert "mode: Input should be 'plan', 'apply' or 'validate' (and 2 more)" in refused.value.message
    assert "http" not in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the first line is not the start of a run"),
        (b"\n", "line 1 is not JSON"),
        (b"[]\n", "line 1 does not follow"),
        (b'{"n":1}\n', "line 1 does not follow"),
        (b"\xff\xfe\n", "line 1 is not JSON"),
        (b"half a line", "line 1 is cut off"),
    ],
)
def test_a_file_that_is_not_a_journal_is_refused_by_name(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(data)
    with pytest.raises(EvidenceError, match="not a runbook journal") as refused:
        read_journal(tmp_path)
    assert why in refused.value.message
    assert refused.value.where == str(tmp_path / "journal.jsonl")


def test_a_directory_without_a_journal_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="No such file") as refused:
        read_journal(tmp_path)
    assert refused.value.hint


def test_a_valid_chain_with_meaningless_entries_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run_started", run="r", runbook="b", mode="destroy", started=AT)
    journal.close()
    with pytest.raises(EvidenceError, match="cannot be interpreted"):
        read_journal(tmp_path)


def test_a_second_writer_is_refused_and_does_not_touch_existing_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = Journal(path)
    first.append("run_started")
    with pytest.raises(EvidenceError, match="exists"):
        Journal(path)
    first.append("run_ended")
    first.close()
    assert len(read_lines(path.read_bytes()).entries) == 2
    with pytest.raises(EvidenceError, match="exists"):
        Journal(path)


def test_a_journal_needs_an_existing_directory(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="No such file") as refused:
        Journal(tmp_path / "missing" / "journal.jsonl")
    assert refused.value.exit_code == 4


def test_only_the_owner_can_read_a_journal_and_its_outputs(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").close()
    OutputStore(tmp_path / "output").put(b"x")
    assert [path.stat().st_mode & 0o077 for path in sorted(tmp_path.rglob("*"))] == [0, 0, 0]


def test_many_threads_write_one_valid_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")

    def work(host: int) -> None:
        for i in range(20):
            journal.append("x", host=host, i=i)

    threads = [threading.Thread(target=work, args=(host,)) for host in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    lines = read_lines((tmp_path / "journal.jsonl").read_bytes())
    assert lines.problem == ""
    assert len(lines.entries) == 160
    for host in range(8):
        assert [entry["i"] for entry in lines.entries if entry["host"] == host] == list(range(20))


def test_text_of_every_kind_is_read_back_as_written(tmp_path: Path) -> None:
    text = 'line one\nline two\r\n\x00\x1b[31m \u2028 \x85 日本語 😀 \ufffd " \\'
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("x", text=text)
    journal.close()
    (entry,) = read_lines((tmp_path / "journal.jsonl").read_bytes()).entries
    assert entry["text"] == text


def test_an_output_is_stored_once_under_its_hash(tmp_path: Path) -> None:
    store = OutputStore(tmp_path / "output")
    digest = store.put(b"whole")
    assert store.put(b"whole") == digest == OutputStore.digest(b"whole")
    assert [path.name for path in (tmp_path / "output").iterdir()] == [digest]
    assert (tmp_path / "output" / digest).read_bytes() == b"whole"


def test_an_output_that_cannot_be_stored_is_an_evidence_error(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file where a directory should be", encoding="utf-8")
    with pytest.raises(EvidenceError, match="cannot write the evidence"):
        OutputStore(tmp_path / "output").put(b"x")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        assert "root" not in os.environ.get("RUNBOOK_REQUIRE", ""), "this machine is meant to let tests mount"
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(journal: Journal) -> None:
    for _ in range(100):
        journal.append("command_ended", stdout="x" * 1000)


def test_a_full_disk_leaves_a_valid_journal_that_continues_once_there_is_space(small_disk: Path) -> None:
    journal = Journal(small_disk / "journal.jsonl")
    journal.append("run_started")
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(b"x" * 100_000)
    with pytest.raises(EvidenceError, match="No space left") as refused:
        fill(journal)
    assert refused.value.hint
    assert "free disk space" in refused.value.hint
    lines = read_lines((small_disk / "journal.jsonl").read_bytes())
    assert lines.problem == ""
    filler.unlink()
    journal.append("run_ended")
    journal.close()
    after = read_lines((small_disk / "journal.jsonl").read_bytes())
    assert after.problem == ""
    assert [entry["n"] for entry in after.entries] == list(range(1, len(lines.entries) + 2))


def test_on_a_full_disk_every_thread_knows_which_of_its_lines_were_written(small_disk: Path) -> None:
    journal = Journal(small_disk / "journal.jsonl")
    written: dict[int, list[int]] = {host: [] for host in range(8)}

    def work(host: int) -> None:
        for i in range(30):
            with contextlib.suppress(EvidenceError):
                journal.append("x", host=host, i=i, text="x" * 300)
                written[host].append(i)

    threads = [threading.Thread(target=work, args=(host,)) for host in written]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    lines = read_lines((small_disk / "journal.jsonl").read_bytes())
    assert lines.problem == ""
    assert 0 < len(lines.entries) < 240
    for host, there in written.items():
        assert [entry["i"] for entry in lines.entries if entry["host"] == host] == there


def test_a_full_disk_leaves_no_partial_output(small_disk: Path) -> None:
    store = OutputStore(small_disk / "output")
    with pytest.raises(EvidenceError, match="No space left"):
        store.put(b"x" * 100_000)
    assert list((small_disk / "output").iterdir()) == []
    digest = store.put(b"small")
    assert (small_disk / "output" / digest).read_bytes() == b"small"


def test_where_a_line_can_neither_be_written_nor_removed_nothing_follows_it(tmp_path: Path) -> None:
    """A device in place of the file: it is always full, and cannot be cut off."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run_started", run="x")
    file = journal._file  # noqa: SLF001 - no file of a disk refuses both
    kept, full = os.dup(file), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file)
    with pytest.raises(EvidenceError, match="No space left"):
        journal.append("step_started", number=1)
    os.dup2(kept, file)
    with pytest.raises(EvidenceError, match="No space left"):
        journal.append("step_started", number=2)
    journal.close()
    os.close(kept)
    os.close(full)
    lines = read_lines((tmp_path / "journal.jsonl").read_bytes())
    assert [entry["event"] for entry in lines.entries] == ["run_started"]
