"""What a run no longer waits for is terminated with all its children, or named if it is not safe to interrupt."""

from __future__ import annotations

import gc
import os
import re
import shlex
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.local import LocalConnection
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.connections.termination import SessionLeader, summarize, terminate
from runbook_lib.host_settings import Host
from runbook_lib.model.commands import Command, Output
from runbook_lib.process_identity import start_ticks
from runbook_lib.secrets import Secrets
from tests.connections.accounts import require
from tests.deadlines import wait_until
from tests.execution.processes import children
from tests.execution.project import living

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runbook_lib.connections.base import Connection
    from tests.connections.sshd import Server

NEVER = threading.Event()
UNIQUE = f"{os.getpid():07}"  # no other process on this machine sleeps as long


@pytest.fixture(scope="module", params=["local", "ssh"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "local":
        here = LocalConnection(Host(name="here", connection="local"), Secrets())
        yield here
        here.close()
        return
    reached = SshConnection(request.getfixturevalue("session_server").host(), Secrets())
    yield reached
    reached.close()


def sent(connection: Connection, into: list[Output]) -> Callable[[Command], Output]:
    def send(command: Command) -> Output:
        into.append(connection.run(command, NEVER))
        return into[-1]

    return send


def until(file: Path) -> str:
    """Return a shell command that ends once a file exists."""
    return f"until [ -e {shlex.quote(str(file))} ]; do sleep 0.05; done"


def give_up(connection: Connection, *argv: str) -> str:
    """Run a command, stop waiting for it, and return the message about its termination."""
    command = Command(argv, timeout=2.0)
    output = connection.run(command, NEVER)
    assert output.exit_code is None
    assert output.still_running
    return connection.stop(command, sent(connection, []))


def test_a_command_and_its_children_are_terminated_with_term(connection: Connection) -> None:
    seconds = f"601.{UNIQUE}"
    message = give_up(connection, "sh", "-c", f"sleep {seconds} & sleep {seconds}; true")
    assert re.fullmatch(
        r"terminated on the host with TERM: sh \(\d+\), sleep \(\d+\), sleep \(\d+\)", message
    )
    assert living(f"sleep {seconds}") == []


def test_the_command_is_named_before_its_children_although_its_pid_sorts_behind_theirs(
    tmp_path: Path,
) -> None:
    require("unshare", "setsid", "mkfifo")
    script = """
cd "$1" && mkfifo started && echo 9998 >/proc/sys/kernel/ns_last_pid || exit
setsid sh -c 'sleep 600 & sleep 600 & echo "$$" >started; wait' &
read -r leader <started
read -r line <"/proc/$leader/stat"
set -- ${line##*) }
exec sh -s -- "$leader" "${20}" 600 5
"""
    done = subprocess.run(
        ["unshare", "--pid", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", str(tmp_path)],
        input=terminate(SessionLeader(0, 0), sudo=False).stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.match(
        r"terminated on the host with TERM: sh \(9999\), \w+ \(10000\), \w+ \(10001\)$",
        summarize(Output(done.returncode, done.stdout, done.stderr)),
    )


def test_a_process_that_ignores_term_is_killed(connection: Connection) -> None:
    seconds = f"602.{UNIQUE}"
    message = give_up(connection, "sh", "-c", f"trap '' TERM; sleep {seconds}; true")
    assert message.startswith("terminated on the host with KILL: sh (")
    assert living(f"sleep {seconds}") == []


def test_a_child_in_a_session_of_its_own_is_terminated_too(connection: Connection) -> None:
    """As sudo starts commands, where it gives them a terminal of their own."""
    seconds = f"603.{UNIQUE}"
    message = give_up(connection, "sh", "-c", f"setsid --wait sleep {seconds}; true")
    assert "sleep (" in message
    assert living(f"sleep {seconds}") == []


def test_a_command_that_is_not_safe_to_interrupt_is_left_running_and_named(
    connection: Connection, tmp_path: Path
) -> None:
    may_end, done = tmp_path / "may end", tmp_path / "done"
    said_and_done = f"{until(may_end)}; echo still heard; touch {done}"
    command = Command(("sh", "-e", "-c", said_and_done), timeout=0.5, safe_to_interrupt=False)
    assert connection.run(command, NEVER).still_running
    message = connection.stop(command, sent(connection, []))
    found = re.fullmatch(r"left running as PID (\d+) \(not safe to interrupt\)", message)
    assert found
    assert start_ticks(int(found[1]))
    # The next one that is given up is not taken for it.
    other = f"604.{UNIQUE}"
    assert "sleep (" in give_up(connection, "sleep", other)
    may_end.touch()
    wait_until(done.exists)


@pytest.mark.parametrize("stops", [True, False])
def test_a_command_left_running_here_is_reaped_although_its_connection_is_closed(stops: bool) -> None:  # noqa: FBT001 - a case
    connection = LocalConnection(Host(name="here", connection="local"), Secrets())
    seconds = f"607.{UNIQUE}"
    command = Command(("sleep", seconds), timeout=0.2, safe_to_interrupt=False)
    assert connection.run(command, NEVER).still_running
    (pid,) = wait_until(lambda: living(f"sleep {seconds}"))
    if stops:
        assert connection.stop(command, sent(connection, [])).startswith(f"left running as PID {pid}")
    connection.close()
    del connection
    gc.collect()  # where it is forgotten, Python warns of the process, and it stays a zombie
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in children(os.getpid()), "the command to be reaped")


def test_a_command_that_exits_meanwhile_is_not_confused_with_another(server: Server, tmp_path: Path) -> None:
    connection = SshConnection(server.host(), Secrets())
    other = f"605.{UNIQUE}"
    left = Command(("sleep", other), timeout=0.5, safe_to_interrupt=False)
    connection.run(left, NEVER)
    command = Command(("sh", "-c", until(tmp_path / "may end")), timeout=0.5)
    assert connection.run(command, NEVER).still_running
    wait_until(lambda: living(" ".join(command.argv)), "the command")
    (tmp_path / "may end").touch()
    wait_until(lambda: not living(" ".join(command.argv)), "the end of the command")
    assert connection.stop(command, sent(connection, [])) == "the command had already exited"
    connection.close()
    (pid,) = living(f"sleep {other}")
    os.kill(pid, signal.SIGKILL)


def test_the_commands_that_terminate_a_command_are_recorded_too(server: Server) -> None:
    connection = SshConnection(server.host(), Secrets())
    outputs: list[Output] = []
    command = Command(("sleep", f"606.{UNIQUE}"), timeout=0.5)
    connection.run(command, NEVER)
    connection.stop(command, sent(connection, outputs))
    look, end = outputs
    assert re.fullmatch(r"\d+ \d+\n", look.stdout)
    assert re.fullmatch(r"TERM \d+ sleep\n", end.stdout)
    assert (look.exit_code, end.exit_code) == (0, 0)
    connection.close()


def test_a_process_that_cannot_be_terminated_is_named() -> None:
    """The messages, made from a host's answer; a real case needs a command of root that was started without sudo."""
    assert (
        summarize(Output(1, "running 17 dockerd\nKILL 18 sh\n")) == "still running on the host: dockerd (17)"
    )
    assert summarize(Output(1, "", "sudo: a password is required")).endswith(": sudo: a password is required")
    assert summarize(Output(None, problem="still running after 20 s")).startswith(
        "could not confirm termination on the host"
    )
