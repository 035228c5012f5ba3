"""A command costs one round trip on a real network, and commands that are sent together one in all."""

from __future__ import annotations

import getpass
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import paramiko
import pytest
from paramiko import common

from benchmarks.delayed import proxy
from benchmarks.ports import reserved_port
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.connections.ssh_transport import PipeliningTransport
from runbook_lib.errors import AuthenticationError, UnreachableError
from runbook_lib.grace_periods import COMMAND_AFTER_INTERRUPT
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from tests.connections import hostile_ssh, sshd
from tests.deadlines import deadline, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.connections.sshd import Server

NEVER = threading.Event()
ROUND_TRIP = (0.02, 0.1, 0.5, 2.0)  # seconds: the next one where a busy machine may be the cause of too many
CONNECTED = 3  # the versions and what both sides offer, the key exchange, and the login with its session


def together(
    connection: SshConnection, commands: Sequence[Command], cancel: threading.Event = NEVER
) -> list[Output]:
    """Send as many commands at once as the host allows; then the others."""
    outputs: list[Output] = []
    while rest := commands[len(outputs) :]:
        assert all(map(connection.can_send_together, rest))
        count = connection.reserve(rest, cancel)
        if count > 1:
            connection.send_ahead(rest[:count])
        outputs += [finished(connection, command, cancel) for command in rest[:count]]
    return outputs


def finished(connection: SshConnection, command: Command, cancel: threading.Event) -> Output:
    """Run a command as the recorder does, which stops it on the host if it does not end."""
    output = connection.run(command, cancel)
    if not output.still_running:
        return output
    stopped = connection.stop(command, lambda one: connection.run(one, NEVER))
    return Output(None, stdout=output.stdout, problem=f"{output.problem}; {stopped}")


def round_trips(server: Server, place: Path, work: Callable[[SshConnection], object], *, at_most: int) -> int:
    """Return the round trips of a connection and of the work done over it.

    The proxy never counts too few: each message that waits for an answer is one trip later. On a busy machine it may
    count too many: a message that waits for no answer is sent only after one has arrived, since its thread was late.
    The slower the network, the later a thread may be.

    Args:
        server: What is connected to, through a proxy.
        place: Directory for the proxy's files.
        work: Done over the connection.
        at_most: How many are expected; where there are more, the same is done over slower networks.
    """
    trips = 0
    for delay in ROUND_TRIP:
        with reserved_port() as port:
            trips = _round_trips_through(port, server, place, work, delay)
        if trips <= at_most:
            break
    return trips


def _round_trips_through(
    port: int, server: Server, place: Path, work: Callable[[SshConnection], object], delay: float
) -> int:
    known = f"[127.0.0.1]:{port} {(server.place / 'host.pub').read_text(encoding='ascii')}"
    (place / "known").write_text(known, encoding="ascii")
    host = server.host(
        port=port, known_hosts=str(place / "known"), connect_timeout=deadline(5.0 + 10 * delay)
    )
    with proxy([f"127.0.0.1:{port}=127.0.0.1:{server.port}"], delay, place / "counts") as trips:
        connection = SshConnection(host, Secrets())
        try:
            connection.open()
            work(connection)
        finally:
            connection.close()
        return trips.total()


def test_a_command_costs_one_round_trip(server: Server, tmp_path: Path) -> None:
    def eleven(connection: SshConnection) -> None:
        for _ in range(11):
            connection.run(Command(("true",)), NEVER)

    most = CONNECTED + 1 + 12
    assert round_trips(server, tmp_path, eleven, at_most=most) <= most


def test_commands_are_sent_together_without_waiting_for_any_answer(tmp_path: Path) -> None:
    with hostile_ssh.running(tmp_path / "server", "answers once four commands have arrived") as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            outputs = together(connection, [Command(("true",), timeout=deadline(10.0))] * 4)
        finally:
            connection.close()
    assert [(output.exit_code, output.stdout) for output in outputs] == [(0, "done\n")] * 4


def test_the_next_session_is_wanted_before_a_command_has_ended(tmp_path: Path) -> None:
    with hostile_ssh.running(tmp_path / "server", "answers once the next session is wanted") as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            for _ in range(3):
                output = connection.run(Command(("true",), timeout=deadline(10.0)), NEVER)
                assert (output.exit_code, output.stdout) == (0, "done\n")
        finally:
            connection.close()


@pytest.mark.parametrize("sessions", [1, 2, 3, 10])
def test_a_host_with_few_sessions_gets_no_more_commands_at_once(sessions: int, tmp_path: Path) -> None:
    with sshd.running(tmp_path / "narrow", f"MaxSessions {sessions}\n") as narrow:
        connection = SshConnection(narrow.host(), Secrets())
        try:
            for _ in range(2):
                commands = [Command(("sh", "-c", f"echo {number}; exit {number}")) for number in range(6)]
                outputs = together(connection, commands)
                assert [(one.exit_code, one.stdout) for one in outputs] == [
                    (number, f"{number}\n") for number in range(6)
                ]
            assert connection.established is not None
            assert connection.established.number == 1
        finally:
            connection.close()


def test_of_commands_sent_together_the_one_that_hangs_is_terminated_and_no_other(server: Server) -> None:
    hang = Command(("sleep", "617"), timeout=1.0)
    slow = Command(("sh", "-c", "sleep 3; echo slow"))
    other = Command(("tail", "-f", "/dev/null"), timeout=1.0)
    connection = SshConnection(server.host(), Secrets())
    try:
        first, second, third, fourth, last = together(
            connection, [Command(("echo", "first")), hang, slow, other, Command(("echo", "last"))]
        )
    finally:
        connection.close()
    assert (first.stdout, last.stdout) == ("first\n", "last\n")
    assert second.problem.startswith("still running after 1 s; terminated on the host with TERM: sleep (")
    assert (third.exit_code, third.stdout) == (0, "slow\n")
    assert fourth.problem.startswith("still running after 1 s; terminated on the host with TERM: tail (")


def test_an_interrupt_gives_commands_sent_together_one_grace_period(server: Server) -> None:
    cancel = threading.Event()
    connection = SshConnection(server.host(), Secrets())
    commands = [Command(("sh", "-c", f"exec sleep 61{number}")) for number in range(6)]
    try:
        connection.open()
        cancel.set()
        before = time.monotonic()
        outputs = together(connection, commands, cancel)
        assert time.monotonic() - before < deadline(COMMAND_AFTER_INTERRUPT + 10.0)
    finally:
        connection.close()
    for output in outputs:
        assert output.problem.startswith("interrupted before the exit status arrived; terminated on the host")


def test_a_connection_lost_under_commands_sent_together_ends_all_of_them(server: Server) -> None:
    connection = SshConnection(server.host(), Secrets())
    commands = [Command(("sh", "-c", f"echo begun; exec sleep 60{number}")) for number in range(3)]
    try:
        assert connection.reserve(commands, NEVER) == 3
        connection.send_ahead(commands)
        time.sleep(0.5)
        server.cut()
        for command in commands:
            output = connection.run(command, NEVER)
            assert (output.exit_code, output.lost) == (None, True)
            assert "connection lost" in output.problem
        assert connection.run(Command(("echo", "again")), NEVER).stdout == "again\n"
    finally:
        connection.close()


def test_a_refused_command_is_named(tmp_path: Path) -> None:
    with hostile_ssh.running(tmp_path / "server", "refuses to execute a command") as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            for attempt in (connection.run, connection.start_persistent):
                with pytest.raises(UnreachableError, match="refuses to execute the command"):
                    attempt(Command(("true",), timeout=5.0), NEVER)
        finally:
            connection.close()


def test_a_host_that_ignores_the_window_of_a_session_nobody_reads_is_disconnected(tmp_path: Path) -> None:
    with hostile_ssh.running(tmp_path / "server", "sends more than the window allows") as server:
        connection = SshConnection(server.host(), Secrets())
        commands = [Command(("true",), timeout=5.0), Command(("id",), timeout=5.0)]
        try:
            assert connection.reserve(commands, NEVER) == 2
            connection.send_ahead(commands)
            time.sleep(1.0)
            output = connection.run(commands[0], NEVER)
            assert (output.exit_code, output.lost) == (None, True)
        finally:
            connection.close()


@pytest.mark.parametrize("behaviour", ["silent when a channel is opened", "silent when a command is sent"])
def test_a_silent_host_does_not_outlive_commands_sent_together(
    behaviour: hostile_ssh.Behaviour, tmp_path: Path
) -> None:
    with hostile_ssh.running(tmp_path / "server", behaviour) as server:
        connection = SshConnection(server.host(), Secrets())
        commands = [Command(("echo", str(number)), timeout=1.0) for number in range(4)]
        try:
            count = connection.reserve(commands, NEVER)
            if count > 1:
                connection.send_ahead(commands[:count])
            before = time.monotonic()
            outputs = [connection.run(command, NEVER) for command in commands[:count]]
            assert time.monotonic() - before < deadline(9.0)
        finally:
            connection.close()
    assert all(output.exit_code is None and output.lost for output in outputs)
    assert "no answer within 6 s; the connection was closed" in outputs[0].problem


def test_connecting_costs_three_round_trips_and_the_first_command_one_more(
    server: Server, tmp_path: Path
) -> None:
    def one(connection: SshConnection) -> None:
        connection.run(Command(("true",)), NEVER)

    assert round_trips(server, tmp_path, lambda _: None, at_most=CONNECTED) <= CONNECTED
    assert round_trips(server, tmp_path, one, at_most=CONNECTED + 1) <= CONNECTED + 1


def test_a_key_that_is_refused_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    # A session was requested together with the login: sshd answers that it knows no such request yet.
    other = sshd.make_key(tmp_path / "other")
    connection = SshConnection(server.host(identity_file=str(other)), Secrets())
    with pytest.raises(AuthenticationError, match="the host rejects the login"):
        connection.open()
    connection.offer_identity(getpass.getuser(), str(server.host().identity_file))
    try:
        for _ in range(2):
            assert connection.run(Command(("echo", "in")), NEVER).stdout == "in\n"
    finally:
        connection.close()


def test_a_second_key_is_tried_where_the_first_is_refused(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = sshd.make_key(tmp_path / "other")
    connection = SshConnection(server.host(), Secrets())
    connection.offer_identity(getpass.getuser(), str(other))  # tried first
    try:
        for _ in range(2):
            assert connection.run(Command(("echo", "in")), NEVER).stdout == "in\n"
    finally:
        connection.close()
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_answers_may_arrive_before_the_sender_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a busy machine: each message is answered, and the answer handled, before the thread that sent it continues.
    # There is no public place between sending and continuing.
    send = paramiko.Transport._send_message  # type: ignore[attr-defined] # noqa: SLF001

    def send_and_lose_the_processor(transport: paramiko.Transport, message: paramiko.Message) -> None:
        send(transport, message)
        if threading.current_thread() is not transport:
            time.sleep(0.1)

    monkeypatch.setattr(paramiko.Transport, "_send_message", send_and_lose_the_processor)
    connection = SshConnection(server.host(), Secrets())
    connection.offer_identity(getpass.getuser(), str(sshd.make_key(tmp_path / "other")))  # tried first
    try:
        for _ in range(2):
            assert connection.run(Command(("echo", "in"), timeout=deadline(5.0)), NEVER).stdout == "in\n"
    finally:
        connection.close()


@pytest.mark.parametrize("late", [common.cMSG_CHANNEL_EOF, common.cMSG_CHANNEL_DATA])
def test_a_message_that_the_close_of_its_session_overtakes_does_not_end_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, late: bytes
) -> None:
    # As on a busy machine: the command has exited, and the thread that reads has closed its session, before the thread
    # that sends its input, or the end of it, gets the processor again.
    send = PipeliningTransport._send_user_message  # noqa: SLF001 - there is no public place in between
    waited = []

    def send_late(transport: PipeliningTransport, message: paramiko.Message) -> None:
        if message.asbytes()[:1] == late and threading.current_thread() is not transport:
            number = int.from_bytes(message.asbytes()[1:5], "big")
            (channel,) = [
                one
                for one in transport._channels.values()  # noqa: SLF001
                if one.active and one.remote_chanid == number
            ]
            wait_until(lambda: channel.closed, "the end of the session")
            waited.append(transport)
        send(transport, message)

    connection = SshConnection(server.host(), Secrets())
    try:
        connection.open()
        monkeypatch.setattr(PipeliningTransport, "_send_user_message", send_late)
        for _ in range(3):
            first, second = together(connection, [Command(("true",)), Command(("echo", "in"))])
            assert (first.exit_code, second.exit_code, second.stdout) == (0, 0, "in\n")
            given = connection.run(
                Command(("sh", "-c", "sleep 0.2; echo given"), stdin="never read\n"), NEVER
            )
            assert (given.exit_code, given.stdout) == (0, "given\n")
    finally:
        connection.close()
    assert len(waited) >= 3
    assert len(set(waited)) == 1, "the host has closed the connection"


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys_log_in_as_well(kind: str, tmp_path: Path) -> None:
    key = tmp_path / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
    with sshd.running(tmp_path / "other") as other:
        with (other.place / "authorized_keys").open("a", encoding="ascii") as file:
            file.write(key.with_name(f"{kind}.pub").read_text(encoding="ascii"))
        connection = SshConnection(other.host(identity_file=str(key)), Secrets())
        try:
            assert connection.run(Command(("echo", "in")), NEVER).stdout == "in\n"
        finally:
            connection.close()
