"""Reaching a host over SSH, and every way in which it cannot be reached."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from benchmarks.ports import reserved_port
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.connections.ssh import SshConnection
from runbook_lib.connections.ssh_channel import LOST
from runbook_lib.errors import AuthenticationError, HostKeyError, UnreachableError
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from tests.connections import sshd
from tests.deadlines import deadline, wait_until
from tests.process_files import process_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.connections.output_budget import OutputLimit
    from tests.connections.sshd import Server
    from tests.programs import Programs

NEVER = threading.Event()
MANY = 10**9  # bytes

RELAY = """
import os, socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        there.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := there.recv(65536):
    os.write(1, data)
"""


@contextlib.contextmanager
def reached(server: Server, **given: Any) -> Iterator[SshConnection]:  # noqa: ANN401 - any field of a host
    connection = SshConnection(server.host(**given), Secrets())
    try:
        yield connection
    finally:
        connection.close()


def refused(server: Server, kind: type[UnreachableError], **given: Any) -> UnreachableError:  # noqa: ANN401
    """Open a connection that must be refused; return the error."""
    with reached(server, **given) as connection, pytest.raises(kind) as caught:
        connection.open()
    assert type(caught.value) is kind
    assert caught.value.hint
    assert "host-a" in str(caught.value.where)
    return caught.value


def echo(connection: SshConnection) -> str:
    return connection.run(Command(("echo", "hello")), NEVER).stdout


def test_a_known_host_is_reached_by_its_own_key_file(server: Server) -> None:
    with reached(server) as connection:
        connection.open()
        assert echo(connection) == "hello\n"


def test_a_changed_host_key_is_refused_and_the_known_hosts_file_is_named(server: Server) -> None:
    server.knows(sshd.make_key(server.place / f"other-{time.monotonic_ns()}"))
    error = refused(server, HostKeyError)
    assert "host key has changed" in error.message
    assert str(server.known_hosts) in str(error.hint)


def test_an_unknown_host_key_is_refused_and_not_learnt(server: Server) -> None:
    server.known_hosts.write_text("", encoding="ascii")
    error = refused(server, HostKeyError)
    assert "unknown" in error.message
    assert server.known_hosts.read_text(encoding="ascii") == ""
    refused(server, HostKeyError)


def test_a_key_known_for_another_port_is_unknown(server: Server) -> None:
    changed = server.known_hosts.read_text(encoding="ascii").replace(str(server.port), "22")
    server.known_hosts.write_text(changed, encoding="ascii")
    refused(server, HostKeyError)


def test_a_missing_or_malformed_known_hosts_file_is_refused(server: Server) -> None:
    refused(server, HostKeyError, known_hosts=str(server.place / "nowhere"))
    server.known_hosts.write_text(
        f"{server.name_in_known_hosts} ssh-ed25519 AAAA!not-base64\n", encoding="ascii"
    )
    refused(server, HostKeyError)


def test_a_key_that_the_host_rejects_is_reported(server: Server) -> None:
    other = sshd.make_key(server.place / f"stranger-{time.monotonic_ns()}")
    error = refused(server, AuthenticationError, identity_file=str(other))
    assert "rejects the login" in error.message
    assert str(other) in str(error.hint)


def test_a_user_that_the_host_does_not_know_is_refused(server: Server) -> None:
    error = refused(server, AuthenticationError, user="nobody-of-that-name")
    assert "nobody-of-that-name" in error.message


def test_an_identity_file_that_is_missing_or_not_a_key_is_refused(server: Server) -> None:
    error = refused(server, AuthenticationError, identity_file=str(server.place / "nowhere"))
    assert "does not exist" in error.message
    nonsense = server.place / "nonsense"
    nonsense.write_text("this is not a key\n", encoding="ascii")
    refused(server, AuthenticationError, identity_file=str(nonsense))


def test_where_nothing_listens_the_host_is_unreachable(server: Server) -> None:
    with reserved_port() as port:
        error = refused(server, UnreachableError, port=port)
    assert "cannot connect" in error.message
    assert error.exit_code == 3


def test_a_name_that_does_not_resolve_is_unreachable(server: Server) -> None:
    error = refused(server, UnreachableError, address="no-such-host.invalid")
    assert "cannot connect" in error.message


def test_a_server_that_does_not_speak_ssh_is_unreachable(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def greet() -> None:
            stream, _ = listening.accept()
            with stream:
                stream.sendall(b"220 mail.example ESMTP\r\n" * 200)

        talker = threading.Thread(target=greet)
        talker.start()
        error = refused(server, UnreachableError, port=port)
        talker.join()
    assert "SSH failed" in error.message


def run_and_wait_for_the_end(
    connection: SshConnection, into: list[Output | UnreachableError], limit: OutputLimit | None = None
) -> None:
    command = Command(("sh", "-c", "echo begun; exec sleep 600"))
    try:
        into.append(connection.run(command, NEVER, None, limit))
    except UnreachableError as problem:
        into.append(problem)


def sleeping(server: Server) -> bool:
    return any(process_file(pid, "comm").strip() == "sleep" for pid in server.children())


def test_a_connection_lost_during_a_command_is_reported(server: Server) -> None:
    ended: list[Output | UnreachableError] = []
    with reached(server) as connection:
        connection.open()
        limit = OutputBudget(MANY, MANY).limit()
        worker = threading.Thread(target=run_and_wait_for_the_end, args=(connection, ended, limit))
        worker.start()
        wait_until(lambda: sleeping(server) and limit.last_line == "begun", "the command, and what it prints")
        server.cut()
        worker.join(timeout=deadline(5))
        assert not worker.is_alive()
        (output,) = ended
        assert isinstance(output, Output)
        assert (output.exit_code, output.lost, output.stdout) == (None, True, "begun\n")
        assert output.problem == f"{LOST}: the host, or something on the way, closed the connection"
        assert echo(connection) == "hello\n", "the next command reconnects"


def test_a_connection_lost_between_commands_is_reestablished(server: Server) -> None:
    with reached(server) as connection:
        assert echo(connection) == "hello\n"
        server.cut()
        time.sleep(0.5)
        assert echo(connection) == "hello\n"


def test_a_server_that_is_gone_between_commands_is_unreachable_and_its_return_is_noticed(
    server: Server,
) -> None:
    with reached(server) as connection:
        assert echo(connection) == "hello\n"
        server.stop()
        time.sleep(0.5)
        with pytest.raises(UnreachableError):
            echo(connection)
        server.start()
        assert echo(connection) == "hello\n"


def test_a_proxy_command_knows_host_and_port(server: Server, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY, encoding="ascii")
    proxy = f"{sys.executable} {relay} %h %p"
    with reached(server, proxy_command=proxy) as connection:
        assert echo(connection) == "hello\n"
        assert echo(connection) == "hello\n"


def test_a_proxy_command_leaves_no_process_behind(server: Server, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY, encoding="ascii")
    with reached(server, proxy_command=f"{sys.executable} {relay} %h %p") as connection:
        connection.open()
        assert processes_with(str(relay))
    wait_until(lambda: processes_with(str(relay)) == [], "the end of the proxy command")


def test_an_interrupt_of_the_whole_process_group_leaves_the_proxy_command_running(programs: Programs) -> None:
    done = programs.start([sys.executable, "-c", INTERRUPTED]).communicate(timeout=deadline(30))[0]
    assert done == "interrupted None\n"


@pytest.mark.parametrize("proxy", ["false", "no-such-program-anywhere %h"])
def test_a_proxy_command_that_fails_leaves_the_host_unreachable(server: Server, proxy: str) -> None:
    refused(server, UnreachableError, proxy_command=proxy)


INTERRUPTED = """
import os, signal, time
from runbook_lib.connections.proxy_command import start_proxy
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append("interrupted"))
stream, process = start_proxy("sleep 60", "host-a")
os.killpg(0, signal.SIGINT)
time.sleep(0.3)
print(*seen, process.poll())
process.kill()
"""


def processes_with(word: str) -> list[str]:
    """Command lines of living processes that have a word in them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if word in line:
                found.append(line)
    return found


def test_sudo_is_asked_for_only_where_the_user_is_not_root(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", "hunter22")
    command = Command(("cat", "a b"), sudo=True)
    for given, sent in (
        ({"user": "root"}, "cat 'a b'"),
        ({"user": "ops"}, 'sudo -n -- sh -c \'echo "ran:$1" >&2; shift; exec "$@"\' sh "$nonce" cat \'a b\''),
        (
            {"user": "ops", "sudo_password": "${env:RUNBOOK_TEST_SECRET}"},
            'sudo -S -k -p "$nonce": -- sh -c \'echo "ran:$1" >&2; shift; exec "$@"\' sh "$nonce" cat \'a b\'',
        ),
    ):
        with reached(server, **given) as connection:
            assert connection.render(command) == sent
            assert connection.render(Command(("cat", "a b"))) == "cat 'a b'"


def test_a_host_in_a_missing_network_namespace_is_unreachable(server: Server, tmp_path: Path) -> None:
    error = refused(server, UnreachableError, network_namespace=str(tmp_path / "gone"))
    assert "lab" in str(error.hint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a network namespace")
def test_a_host_is_reached_from_inside_a_network_namespace(server: Server) -> None:
    with reached(server, network_namespace="/proc/self/ns/net") as connection:
        assert echo(connection) == "hello\n"


def test_a_refused_connection_leaves_no_thread_behind(server: Server) -> None:
    before = threading.active_count()
    other = sshd.make_key(server.place / f"stranger-{time.monotonic_ns()}")
    for _ in range(3):
        refused(server, AuthenticationError, identity_file=str(other))
    wait_until(lambda: threading.active_count() <= before, "the end of every thread")


def test_hosts_are_reached_in_parallel(server: Server) -> None:
    answers: list[str] = []

    def work() -> None:
        with reached(server) as connection:
            answers.append(echo(connection))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["hello\n"] * 6


def test_text_that_a_shell_would_split_arrives_unchanged(server: Server) -> None:
    nasty = "a'b\"c $(echo no) `id` \\ * ; # \n end"
    with reached(server) as connection:
        output = connection.run(Command(("sh", "-c", f"printf %s {shlex.quote(nasty)}")), NEVER)
    assert output.stdout == nasty


def test_a_packet_that_would_fill_the_memory_is_refused(server: Server) -> None:
    before = set(threading.enumerate())
    with reached(server) as connection:
        connection.open()
        (transport,) = [
            one for one in set(threading.enumerate()) - before if isinstance(one, paramiko.Transport)
        ]
        with pytest.raises(paramiko.SSHException, match="a packet of 4294967295 bytes"):
            transport.packetizer.read_all(2**32 - 1)


def test_small_packets_are_sent_at_once(server: Server) -> None:
    before = set(threading.enumerate())
    with reached(server) as connection:
        connection.open()
        new = set(threading.enumerate()) - before
        (transport,) = [one for one in new if isinstance(one, paramiko.Transport)]
        assert isinstance(transport.sock, socket.socket)
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
