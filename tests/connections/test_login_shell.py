"""Commands run in a POSIX shell and a fixed locale, whatever the account's login shell prints, or is."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import UnreachableError
from runbook_lib.model.commands import Command, Output
from runbook_lib.secrets import Secrets
from tests.connections.accounts import Account, account, require
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = threading.Event()
NASTY = (
    "a'b\"c $(echo no) `id` \\ * ; # \n end\n",
    "wow!",
    "100%",
    "\\n",
    "é 日本",
    "x" * 9000,
    "{a,b} ~ ^ ?",
    "",
)


@contextlib.contextmanager
def reached(who: Account) -> Iterator[SshConnection]:
    connection = SshConnection(who.server.host(user=who.name), Secrets())
    try:
        yield connection
    finally:
        connection.close()


def run(connection: SshConnection, *argv: str, stdin: str | None = None) -> Output:
    return connection.run(Command(argv, stdin=stdin, timeout=deadline(30.0)), NEVER)


@pytest.mark.parametrize("shell", ["bash", "sh", "tcsh", "fish", "rbash"])
def test_text_arrives_unchanged_under_every_login_shell(shell: str) -> None:
    require(shell)
    with account(login_shell=f"/bin/{shell}") as who, reached(who) as connection:
        for text in NASTY:
            script = 'printf "%s\n" "$0" "$1"\ncat'
            output = run(connection, "sh", "-c", script, text, "second", stdin="input\n")
            assert (output.stdout, output.exit_code) == (f"{text}\nsecond\ninput\n", 0)
        assert run(connection, "sh", "-c", "echo err >&2; exit 3").exit_code == 3


def test_a_greeting_does_not_get_into_the_output() -> None:
    with account() as who:
        greeting = "echo Welcome; echo careful >&2; printf 'no newline'\n"
        (who.home / ".bashrc").write_text(greeting, encoding="ascii")
        with reached(who) as connection:
            output = run(connection, "sh", "-c", "echo 7; echo oops >&2")
            assert (output.stdout, output.stderr) == ("7\n", "oops\n")
            answer, process = connection.start_persistent(
                Command(("sh", "-c", "echo 8; echo .; read -r word")), NEVER
            )
            assert answer.stdout == "8\n.\n"
            assert process is not None
            process.release()


def test_messages_are_not_translated() -> None:
    with account(config="SetEnv LANG=de_DE.UTF-8 LC_MESSAGES=de_DE.UTF-8 LANGUAGE=de\n") as who:
        with reached(who) as connection:
            output = run(connection, "sh", "-c", "locale | grep LC_MESSAGES; cat /no/such/file")
        assert output.stdout == 'LC_MESSAGES="C"\n'
        assert "No such file or directory" in output.stderr


@pytest.mark.parametrize(
    ("shell", "config"),
    [
        ("/bin/true", ""),
        ("/usr/sbin/nologin", ""),
        ("/bin/bash", "ForceCommand exit 0\n"),
        ("/bin/bash", "ForceCommand echo only backups here\n"),
        ("/bin/bash", 'ForceCommand echo "not allowed: $SSH_ORIGINAL_COMMAND"\n'),
        ("/bin/bash", "ForceCommand printenv SSH_ORIGINAL_COMMAND; printenv SSH_ORIGINAL_COMMAND >&2\n"),
    ],
    ids=["true", "nologin", "forced", "forced-with-words", "forced-echo", "forced-echo-on-both"],
)
def test_an_account_that_runs_no_commands_is_unreachable(shell: str, config: str) -> None:
    with account(login_shell=shell, config=config) as who, reached(who) as connection:
        with pytest.raises(UnreachableError, match="runs no commands") as caught:
            run(connection, "true")
        assert ("it printed: only backups here" in caught.value.message) == ("backups" in config)
        with pytest.raises(UnreachableError, match="runs no commands"):
            connection.start_persistent(Command(("true",)), NEVER)


def test_a_forced_command_that_prints_each_line_before_it_runs_it_changes_no_output() -> None:
    wrapper = 'ForceCommand echo "$SSH_ORIGINAL_COMMAND"; exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    with account(login_shell="/bin/bash", config=wrapper) as who, reached(who) as connection:
        output = run(connection, "echo", "the output")
        assert (output.exit_code, output.stdout) == (0, "the output\n")
