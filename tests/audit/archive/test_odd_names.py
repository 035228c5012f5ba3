"""Every file of an archive has a row and a verdict, whatever it is called and whatever kind of file it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.audit.archive.archive import Archive
from runbook_lib.audit.site.site import write_site
from runbook_lib.audit.verify.approved_source import Approval
from runbook_lib.audit.verify.verify import verify_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
RUN = b"20261126T003428Z_d\xe9_8ad084"
NAMES = {
    b"latin\xe9.ipynb": "latin\\xe9.ipynb",
    b"latin\\xe9.ipynb": "latin\\x5cxe9.ipynb",
    b"new\nline.ipynb": "new\\x0aline.ipynb",
    b"esc\x1b[31m.ipynb": "esc\\x1b[31m.ipynb",
    b"back\\slash.ipynb": "back\\slash.ipynb",
    b"d\xff/inside.ipynb": "d\\xff/inside.ipynb",
    "über.ipynb".encode(): "über.ipynb",
}
SPECIAL = {"fifo.ipynb", "loop.ipynb", "socket.ipynb", "self.ipynb", "loop-b.ipynb"}


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    top = tmp_path / "archive"
    top.mkdir()
    for name in NAMES:
        path = os.path.join(os.fsencode(top), name)  # noqa: PTH118 - bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - as above
        Path(os.fsdecode(path)).write_bytes(NOTEBOOK)
    run = top / os.fsdecode(RUN)
    run.mkdir()
    (run / "journal.jsonl").write_bytes(b"{}\n")
    (top / "loop.ipynb").symlink_to("loop-b.ipynb")
    (top / "loop-b.ipynb").symlink_to("loop.ipynb")
    (top / "self.ipynb").symlink_to("self.ipynb")
    (top / "around").symlink_to(".")
    (top / "nowhere").symlink_to("nowhere")
    os.mkfifo(top / "fifo.ipynb")
    # The path of a socket may have 107 bytes.
    descriptor = os.open(top, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{descriptor}/socket.ipynb")
        yield top
    os.close(descriptor)


def test_each_file_has_a_row(odd: Path, tmp_path: Path) -> None:
    archive = Archive(odd, cache=tmp_path / "cache")
    kinds = dict(zip(archive.files["path"], archive.files["kind"], strict=True))
    run = RUN.decode("ascii", "backslashreplace")
    assert kinds == {
        **dict.fromkeys(NAMES.values(), "foreign"),
        **dict.fromkeys([*SPECIAL, run], "damaged"),
    }
    for text in NAMES.values():
        assert archive.locate(text).read_bytes() == NOTEBOOK
    again = Archive(odd, cache=tmp_path / "cache")
    assert again.ingestion is not None
    assert again.ingestion.read == 0
    site = write_site(archive, tmp_path / "site")
    assert site
    assert "latin\\xe9" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_each_file_has_a_verdict(odd: Path) -> None:
    verdicts = {verdict.path: verdict for verdict in verify_runs([odd], approved=Approval(wanted=False))}
    run = RUN.decode("ascii", "backslashreplace")
    assert set(verdicts) == {f"{odd}/{name}" for name in (*NAMES.values(), *SPECIAL, run)}
    json.dumps(
        [verdict.model_dump(mode="json") for verdict in verdicts.values()], ensure_ascii=False
    ).encode()


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--format", "json"], ["verify"], ["verify", "--json"]]
)
def test_a_command_shows_the_files_on_lines_of_their_own(
    odd: Path, tmp_path: Path, command: list[str]
) -> None:
    cache = ["--cache", str(tmp_path / "cache")] if command[0] == "list" else []
    done = subprocess.run(
        [sys.executable, "-m", "runbook_lib.cli.main", "audit", *command, str(odd), *cache],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr.decode()
    assert done.stderr == b""
    shown = done.stdout.decode("utf-8")
    assert "\x1b" not in shown
    if "json" in command or "--json" in command:
        shown = "\n".join(entry["run"] or entry["path"] for entry in json.loads(shown))
    for text in NAMES.values():
        assert text in shown


def test_an_archive_with_such_a_name_itself_can_be_read(tmp_path: Path) -> None:
    top = tmp_path / os.fsdecode(b"archive-\xe9")
    top.mkdir()
    (top / "a.ipynb").write_bytes(NOTEBOOK)
    archive = Archive(top, cache=tmp_path / "cache")
    assert archive.files["path"].tolist() == ["a.ipynb"]
    (verdict,) = verify_runs([top], approved=Approval(wanted=False))
    assert verdict.path.endswith("archive-\\xe9/a.ipynb")
