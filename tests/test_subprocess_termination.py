"""A child process is asked to exit, and killed only if it does not within its grace period."""

from __future__ import annotations

import signal
import subprocess

from runbook_lib.subprocess_termination import communicate_or_kill, terminate, wait_or_kill
from tests.deadlines import deadline

STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; echo ready >&2; cat >/dev/null; while :; do sleep 1; done"]


def start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def test_a_process_that_handles_term_is_not_killed() -> None:
    with start("sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done") as process:
        assert process.stdout
        process.stdout.readline()
        assert terminate(process, deadline(20)) == 3


def test_a_process_that_ignores_term_is_killed() -> None:
    with start(*STUBBORN) as process:
        assert process.stdout
        process.stdout.readline()
        assert terminate(process, 0.2) == -signal.SIGKILL


def test_a_process_that_has_exited_keeps_its_exit_code() -> None:
    with start("sh", "-c", "exit 7") as process:
        assert wait_or_kill(process, deadline(20)) == 7
        assert terminate(process, 0.0) == 7


def test_the_last_input_is_delivered_and_the_errors_are_returned() -> None:
    with start("sh", "-c", "read -r word; echo $word >&2") as process:
        assert communicate_or_kill(process, b"release\n", deadline(20)) == (b"", b"release\n")
        assert process.returncode == 0


def test_a_process_that_outlasts_the_end_of_its_input_is_killed() -> None:
    with start(*STUBBORN) as process:
        assert process.stderr
        process.stderr.readline()
        assert communicate_or_kill(process, b"", 0.5) == (b"ready\n", b"")
        assert process.returncode == -signal.SIGKILL
