"""Commands behave the same on this machine and over SSH."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.local import LocalConnection
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.host_settings import Host
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runbook_lib.connections.base import Connection

NEVER = threading.Event()


@pytest.fixture(scope="module", params=["local", "ssh"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "local":
        yield LocalConnection(Host(name="here", connection="local"), Secrets())
        return
    reached = SshConnection(request.getfixturevalue("session_server").host(), Secrets())
    reached.open()
    yield reached
    reached.close()


def stopped(connection: Connection, command: Command) -> str:
    """Terminate a command that is still running; return the message about it."""
    return connection.stop(command, lambda one: connection.run(one, NEVER))


def run(connection: Connection, *argv: str, stdin: str | None = None, timeout: float = 30.0) -> Output:
    command = Command(argv, stdin=stdin, timeout=timeout)
    output = connection.run(command, NEVER)
    assert output.still_running == ("still running" in output.problem)
    if output.still_running:
        assert stopped(connection, command).startswith("terminated on the host with TERM: ")
    return output


def given_up(
    connection: Connection, script: str, far_enough: Callable[[Output], bool]
) -> tuple[Output, float]:
    """Run a script that does not end, and wait for it so long that it can get far enough, also on a busy machine.

    Returns:
        The output, and how many seconds the script was waited for.
    """
    for timeout in (0.5, 5.0, 60.0):
        command, before = Command(("sh", "-c", script), timeout=timeout), time.monotonic()
        output = connection.run(command, NEVER)
        assert time.monotonic() - before < timeout + deadline(5)
        ended = stopped(connection, command) if output.still_running else ""
        if far_enough(output):  # otherwise what it printed late may have ended it
            assert output.still_running == ended.startswith("terminated on the host with TERM: ")
            break
    return output, timeout


def test_both_streams_and_the_exit_code_come_back(connection: Connection) -> None:
    before = time.time()
    output = run(connection, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (output.exit_code, output.stdout, output.stderr) == (7, "out\n", "err\n")
    assert (output.problem, output.lost) == ("", False)
    assert before <= output.started <= output.ended <= time.time()


@pytest.mark.parametrize(
    "argument", ["two  words", "it's", '"', "$HOME `id` $(id)", "a\nb", "*", "", "; false", "日本語", "\\"]
)
def test_an_argument_arrives_unchanged_whatever_it_contains(connection: Connection, argument: str) -> None:
    assert run(connection, "printf", "%s", argument).stdout == argument


@pytest.mark.parametrize(
    "argument", [b"caf\xe9", b"it's \xff 100% \\ $HOME \xe6\x97\xa5!", b"\x80a\nb\n\n", b"\xfe"]
)
def test_an_argument_that_is_not_utf_8_arrives_as_its_bytes(connection: Connection, argument: bytes) -> None:
    name = os.fsdecode(argument)
    show = ("sh", "-c", 'printf %s "$1" | od -An -v -tx1', "sh", name)
    assert bytes.fromhex(run(connection, *show).stdout) == argument
    nested = ("sh", "-c", f"printf %s {shlex.quote(name)} | od -An -v -tx1")
    assert bytes.fromhex(run(connection, *nested).stdout) == argument
    connection.render(Command(nested)).encode()  # what is recorded is text


def test_a_program_whose_name_is_not_utf_8_is_missed_by_it(connection: Connection) -> None:
    assert run(connection, "/no/caf\udce9").exit_code == 127


def test_standard_input_is_passed_on_and_closed(connection: Connection) -> None:
    text = "first\nit's second\n" * 1000 + "no newline at the end"
    assert run(connection, "cat", stdin=text).stdout == text
    assert run(connection, "cat").stdout == ""


def test_a_command_need_not_read_its_input(connection: Connection) -> None:
    output = run(connection, "true", stdin="x" * 1_000_000)
    assert (output.exit_code, output.problem) == (0, "")


def test_megabytes_of_input_and_output_do_not_block_each_other(connection: Connection) -> None:
    text = "0123456789abcde\n" * 400_000
    output = run(connection, "cat", stdin=text)
    assert output.exit_code == 0
    assert len(output.stdout) == len(text)
    assert output.stdout == text


def test_a_command_that_never_reads_a_large_input_is_stopped_in_time(connection: Connection) -> None:
    before = time.monotonic()
    output = run(connection, "sleep", "600", stdin="x" * 8_000_000, timeout=1.0)
    assert output.exit_code is None
    assert output.problem == "still running after 1 s"
    assert time.monotonic() - before < deadline(5)


def test_a_flood_on_both_streams_arrives_completely(connection: Connection) -> None:
    output = run(connection, "sh", "-c", "head -c 3000000 /dev/zero | tee /dev/stderr; exit 3")
    assert output.exit_code == 3
    assert (len(output.stdout), len(output.stderr)) == (3_000_000, 3_000_000)


def test_bytes_that_are_not_text_are_replaced(connection: Connection) -> None:
    output = run(connection, "printf", r"a\377\200b\n")
    assert output.stdout == "a\ufffd\ufffdb\n"


def test_a_missing_program_gives_exit_code_127_and_its_name(connection: Connection) -> None:
    output = run(connection, "no-such-program-anywhere")
    assert output.exit_code == 127
    assert "no-such-program-anywhere" in output.stderr


def test_a_file_that_is_not_executable_gives_exit_code_126(connection: Connection) -> None:
    output = run(connection, "/etc/passwd")
    assert output.exit_code == 126
    assert "/etc/passwd" in output.stderr


def test_a_command_that_takes_too_long_has_output_but_no_exit_code(connection: Connection) -> None:
    output, seconds = given_up(
        connection, "echo begun; echo oops >&2; exec sleep 600", lambda output: bool(output.stderr)
    )
    assert output.exit_code is None
    assert output.problem == f"still running after {seconds:g} s"
    assert (output.stdout, output.stderr) == ("begun\n", "oops\n")
    assert not output.lost


def test_a_command_with_a_background_process_is_stopped_in_time(connection: Connection) -> None:
    output, seconds = given_up(
        connection, "echo begun; setsid sleep 600 & exec sleep 600", lambda output: bool(output.stdout)
    )
    assert output.problem == f"still running after {seconds:g} s"
    assert output.stdout == "begun\n"


def test_a_command_that_has_exited_while_its_output_is_kept_open_says_so_and_what_to_do(
    connection: Connection,
) -> None:
    output, seconds = given_up(connection, "sleep 600 & echo begun", lambda output: not output.still_running)
    assert output.exit_code is None
    assert output.problem.startswith(
        f"its output was still open after {seconds:g} s; the command has exited, but a process"
    )
    assert ">/dev/null 2>&1 &" in output.problem
    assert output.stdout == "begun\n"


def test_a_command_killed_by_a_signal_does_not_count_as_a_lost_connection(connection: Connection) -> None:
    output = run(connection, "sh", "-c", "kill -9 $$")
    assert not output.lost
    assert output.exit_code != 0
    assert run(connection, "echo", "still here").stdout == "still here\n"


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_process_that_ctrl_c_reaches_before_it_has_a_session_of_its_own_was_interrupted(
    *, interrupted: bool
) -> None:
    here = LocalConnection(Host(name="here", connection="local"), Secrets())
    cancel = threading.Event()
    if interrupted:
        cancel.set()
    output = here.run(Command(("sh", "-c", "kill -INT $$")), cancel)
    assert output.exit_code == (None if interrupted else -signal.SIGINT)
    assert output.problem == ("interrupted while the command was being started" if interrupted else "")
    assert not output.still_running


def test_a_running_command_may_finish_by_itself_after_an_interrupt(connection: Connection) -> None:
    cancel = threading.Event()
    cancel.set()
    output = connection.run(Command(("sh", "-c", "sleep 1; echo done")), cancel)
    assert (output.exit_code, output.stdout) == (0, "done\n")


def test_a_command_that_outlasts_an_interrupt_is_terminated(connection: Connection) -> None:
    cancel = threading.Event()
    cancel.set()
    before = time.monotonic()
    output = connection.run(Command(("sleep", "600")), cancel)
    assert stopped(connection, Command(("sleep", "600"))).startswith(
        "terminated on the host with TERM: sleep ("
    )
    assert output.exit_code is None
    assert output.problem == "interrupted before the exit status arrived"
    assert 4 < time.monotonic() - before < 4 + deadline(5)


def test_many_commands_go_over_one_connection(connection: Connection) -> None:
    for number in range(20):
        assert run(connection, "echo", str(number)).stdout == f"{number}\n"


def test_what_is_rendered_is_what_is_sent(connection: Connection) -> None:
    command = Command(("printf", "%s", "it's"))
    assert connection.render(command) == command.text == "printf %s 'it'\"'\"'s'"


def test_a_connection_can_be_closed_twice_and_opened_again(connection: Connection) -> None:
    connection.close()
    connection.close()
    connection.open()
    connection.open()
    assert run(connection, "echo", "again").stdout == "again\n"
