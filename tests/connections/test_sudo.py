"""Whether sudo ran a command is known from the command's own shell, never from what sudo prints."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.ssh import SshConnection
from runbook_lib.facts.privilege import Sudo
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from tests.connections import hostile_ssh
from tests.connections.accounts import ASKS, NO_PASSWORD, PASSWORD, Account, account, require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEVER = threading.Event()


@contextlib.contextmanager
def reached(who: Account, password: str = "") -> Iterator[SshConnection]:
    file = who.server.place / "sudo-password"
    file.write_text(password, encoding="ascii")
    given = {"sudo_password": f"${{file:{file}}}"} if password else {}
    connection = SshConnection(who.server.host(user=who.name, **given), Secrets())
    try:
        yield connection
    finally:
        connection.close()


def run(connection: SshConnection, *argv: str, stdin: str | None = None, timeout: float = 60.0) -> Output:
    return connection.run(Command(argv, stdin=stdin, sudo=True, timeout=timeout), NEVER)


@pytest.fixture(scope="module", autouse=True)
def _needs_sudo() -> None:
    require("sudo", "sshd")


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_command_runs_as_root_whether_or_not_a_password_is_at_hand(
    passwordless: Account, password: str
) -> None:
    with reached(passwordless, password) as connection:
        output = run(connection, "sh", "-c", "id -u; cat; echo sudo: no >&2; exit 1", stdin="own\ninput\n")
    assert (output.exit_code, output.stdout, output.stderr) == (1, "0\nown\ninput\n", "sudo: no\n")
    assert output.refused == ""


def test_an_argument_that_is_not_utf_8_arrives_as_root_too(passwordless: Account) -> None:
    with reached(passwordless) as connection:
        show = 'printf %s "$1" | od -An -v -tx1'
        output = run(connection, "sh", "-c", show, "sh", os.fsdecode(b"it's \xe9\n"))
    assert bytes.fromhex(output.stdout) == b"it's \xe9\n"


def test_a_password_is_given_and_the_commands_input_is_its_own(asking: Account) -> None:
    with reached(asking, PASSWORD) as connection:
        for _ in range(2):
            output = run(connection, "sh", "-c", "id -u; cat", stdin="own\ninput\n")
            assert (output.exit_code, output.stdout, output.refused) == (0, "0\nown\ninput\n", "")
            assert output.stderr == ""


def test_a_wrong_password_is_named_and_the_commands_input_is_no_second_try(asking: Account) -> None:
    before = time.monotonic()
    with reached(asking, "wrong-password") as connection:
        output = run(connection, "test", "-e", "/etc/shadow", stdin=f"{PASSWORD}\n" * 3)
        assert output.refused == f"sudo refused the password of {asking.name}"
        assert output.exit_code == 1
        assert time.monotonic() - before < 30
        fact = Sudo()
        assert fact.parse(connection.run(fact.request(), NEVER)) is False


def test_a_missing_password_is_a_refusal(asking: Account) -> None:
    with reached(asking) as connection:
        assert "password is required" in run(connection, "true").refused


def test_a_user_without_a_rule_is_refused() -> None:
    with account() as who, reached(who, PASSWORD) as connection:
        output = run(connection, "true")
        assert "not in the sudoers file" in output.refused
        assert output.exit_code == 1


def test_a_warning_of_sudo_changes_nothing() -> None:
    require("unshare", "sudo")
    with account(rule=NO_PASSWORD, hostname="no-such-name-in-hosts") as who, reached(who) as connection:
        output = run(connection, "test", "-e", "/no/such/file")
        assert "unable to resolve host" in output.stderr
        assert (output.exit_code, output.refused) == (1, "")


def test_the_rules_of_tests_that_run_at_the_same_time_are_not_in_each_others_way(
    passwordless: Account, asking: Account
) -> None:
    for who in (passwordless, asking):
        with reached(who) as connection:
            listing = connection.run(Command(("ls", "/etc/sudoers.d")), NEVER)
        assert listing.stdout.split() == [who.name]


def test_a_program_that_prints_sudos_prompt_is_not_given_the_password(passwordless: Account) -> None:
    """It may read the prompt in the arguments of sudo, its parent."""
    ask = "tr '\\0' ' ' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/cmdline | grep : >&2; cat"
    with reached(passwordless, PASSWORD) as connection:
        output = run(connection, "sh", "-c", ask, stdin="nothing\n")
    assert "-S" in output.stdout
    assert output.stdout.endswith("nothing\n")
    assert PASSWORD not in output.stdout


def test_a_slow_sudo_is_waited_for() -> None:
    with account(rule=ASKS, config="SetEnv PATH={place}/sshd/bin:/usr/bin:/bin\n") as who:
        slow(who.server.place / "bin")
        with reached(who, PASSWORD) as connection:
            output = run(connection, "echo", "done")
            assert (output.stdout, output.refused) == ("done\n", "")
            assert output.problem.startswith("sudo was slow: it took 1")
            assert output.note == output.problem
            cut_short = run(connection, "echo", "done", timeout=3.0)
            assert "sudo was slow: it had not started the command after" in cut_short.problem


def slow(directory: Path) -> None:
    directory.mkdir()
    wrapper = directory / "sudo"
    wrapper.write_text('#!/bin/sh\nsleep 11\nexec /usr/bin/sudo "$@"\n', encoding="ascii")
    wrapper.chmod(0o755)


def test_a_host_without_sudo_is_named_as_such() -> None:
    with account(config="SetEnv PATH={place}/sshd/bin\n") as who:
        directory = who.server.place / "bin"
        directory.mkdir()
        (directory / "sh").symlink_to("/bin/sh")
        with reached(who) as connection:
            output = run(connection, "true")
            assert output.refused == "there is no sudo on the host"
            fact = Sudo()
            output = connection.run(fact.request(), NEVER)
            assert output.exit_code in fact.request().accept
            assert fact.parse(output) is False


def test_a_missing_program_is_not_a_refusal(passwordless: Account) -> None:
    with reached(passwordless) as connection:
        output = run(connection, "no-such-program-anywhere")
        assert (output.exit_code, output.refused) == (127, "")


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_persistent_process_runs_as_root_or_is_refused(asking: Account, password: str) -> None:
    command = Command(("sh", "-c", "id -u; echo .; read -r word"), sudo=True)
    with reached(asking, password) as connection:
        output, process = connection.start_persistent(command, NEVER)
        if password:
            assert output.stdout == "0\n.\n"
            assert process is not None
            process.release()
        else:
            assert process is None
            assert "password is required" in output.refused


def test_a_refusal_that_arrives_after_the_exit_status_is_reported(tmp_path: Path) -> None:
    command = Command(("true",), sudo=True)
    with hostile_ssh.running(tmp_path / "server", "reports the exit before the last output") as server:
        connection = SshConnection(server.host(user="operator"), Secrets())
        try:
            outputs = [connection.start_persistent(command, NEVER)[0], connection.run(command, NEVER)]
        finally:
            connection.close()
    assert [output.refused for output in outputs] == ["sudo refused: sudo: a password is required"] * 2
