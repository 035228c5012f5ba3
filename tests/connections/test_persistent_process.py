"""A released process does its last work however late it runs: a lock file must not name a run that released it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.persistent_process import END_OF_ANSWER, LocalPersistentProcess
from runbook_lib.connections.remote_shell import RemoteOutput
from runbook_lib.process_identity import start_ticks
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = f'echo {END_OF_ANSWER}; read -r word && echo "$word" >"$0"; exit 0'


@pytest.fixture(name="process")
def _process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        ["sh", "-c", HOLD, str(tmp_path / "last")], stdin=pipe, stdout=pipe, stderr=pipe
    )
    yield process
    if start_ticks(process.pid):
        process.kill()
        process.wait()


def output(answer: bytearray) -> RemoteOutput:
    return RemoteOutput(answer.extend, bytearray().extend, framed=False)


def test_a_process_that_does_not_run_when_it_is_released_is_not_killed(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    held, answer = LocalPersistentProcess(process, grace_period=0.05), bytearray(b"\n")
    assert held.read_answer(output(answer), answer, CommandWait(60.0))
    os.kill(process.pid, signal.SIGSTOP)  # as on a machine that is too busy for it
    held.release()
    assert held.alive
    os.kill(process.pid, signal.SIGCONT)
    wait_until(lambda: start_ticks(process.pid) == 0, "the exit of the process")
    assert (tmp_path / "last").read_text(encoding="utf-8") == "release\n"
    assert process.wait(timeout=deadline(10)) == 0  # `poll` has no answer while another thread waits for it


def test_a_released_process_has_exited_when_release_returns(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    held, answer = LocalPersistentProcess(process), bytearray(b"\n")
    assert held.read_answer(output(answer), answer, CommandWait(60.0))
    held.release()
    assert not held.alive
    assert (tmp_path / "last").read_text(encoding="utf-8") == "release\n"


def test_a_process_that_is_never_released_ends_with_its_input(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    held = LocalPersistentProcess(process)
    assert held.end() == b""
    assert not held.alive
    assert not (tmp_path / "last").exists()


def test_a_process_that_has_closed_its_input_is_no_error_while_it_is_given_something() -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen(["sh", "-c", "exec <&-; sleep 0.3"], stdin=pipe, stdout=pipe, stderr=pipe)
    answer = bytearray()
    given = RemoteOutput(answer.extend, bytearray().extend, stdin=b"password\n", framed=False)
    held = LocalPersistentProcess(process)
    assert not held.read_answer(given, answer, CommandWait(60.0))
    held.end()
    assert process.poll() == 0
