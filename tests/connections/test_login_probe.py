"""A login shell or forced command that changes exit codes, or prints after commands, is refused by name."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.ssh import SshConnection
from runbook_lib.errors import UnreachableError
from runbook_lib.model.commands import Command, DockerQuery
from runbook_lib.secrets import Secrets
from tests.connections import hostile_ssh, sshd
from tests.connections.accounts import account
from tests.deadlines import deadline, wait_until
from tests.execution.project import living

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEVER = threading.Event()
RUN = 'sh -c "$SSH_ORIGINAL_COMMAND"'
CHANGES = {
    f"{RUN}; true": "exit code 0 in place of 7",
    f"{RUN} || exit 1": "exit code 1 in place of 7",
    f"{RUN}; code=$?; echo session closed; exit $code": "other text on its standard output: 'session closed\\n'",
    f"{RUN}; code=$?; echo >&2; exit $code": "other text on its standard error: '\\n'",
    f"{RUN} 2>&1": "no standard error",
    f"{RUN}; code=$?; echo end:${{SSH_ORIGINAL_COMMAND##* }}; exit $code": "other text on its standard output: 'end:",
    f"echo begin:${{SSH_ORIGINAL_COMMAND##* }}; exec {RUN}": "other text on its standard output: 'begin:",
}
KEEPS = (
    f"{RUN}; code=$?; true; exit $code",
    f"echo begin:; echo end:; echo begin: >&2; echo end: >&2; exec {RUN}",
)


def command(*argv: str) -> Command:
    return Command(argv, timeout=deadline(30.0))


@contextlib.contextmanager
def forced(place: Path, line: str, more: str = "") -> Iterator[SshConnection]:
    """Connect to a server that executes this line in place of each command."""
    with sshd.running(place, f"ForceCommand {line}\n{more}") as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            yield connection
        finally:
            connection.close()


@pytest.mark.parametrize(("line", "found"), CHANGES.items())
def test_a_forced_command_that_changes_what_comes_back_is_refused_by_name(
    line: str, found: str, tmp_path: Path
) -> None:
    with forced(tmp_path / "server", line) as connection:
        with pytest.raises(UnreachableError, match="or a forced command, changes the results") as caught:
            connection.run(command("test", "-e", "/no/such/file"), NEVER)
        assert found in caught.value.message
        assert caught.value.where == "host-a"
        assert "ForceCommand" in str(caught.value.hint)


@pytest.mark.parametrize("line", KEEPS)
def test_a_forced_command_that_keeps_output_and_exit_codes_is_not_refused(line: str, tmp_path: Path) -> None:
    with forced(tmp_path / "server", line) as connection:
        output = connection.run(command("sh", "-c", "echo out; echo err >&2; exit 3"), NEVER)
        assert (output.exit_code, output.stdout, output.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize("sessions", [1, 2, 3, 10])
def test_neither_commands_sent_together_nor_few_sessions_are_an_exception(
    sessions: int, tmp_path: Path
) -> None:
    with forced(tmp_path / "server", f"{RUN}; true", f"MaxSessions {sessions}\n") as connection:
        commands = [command("test", "-e", f"/no/such/file/{number}") for number in range(4)]
        count = connection.reserve(commands, NEVER)
        if count > 1:
            connection.send_ahead(commands[:count])
        for one in commands:
            with pytest.raises(UnreachableError, match="exit code 0 in place of 7"):
                connection.run(one, NEVER)


def test_no_answer_of_a_process_or_of_docker_is_believed_either(tmp_path: Path) -> None:
    stays, holder = "echo 8; echo .; read -r word; exit 0", f"holder of {tmp_path}"
    with forced(tmp_path / "server", f"{RUN}; true") as connection:
        for script in (stays, "exit 3"):
            with pytest.raises(UnreachableError, match="exit code 0 in place of 7"):
                connection.start_persistent(command("sh", "-c", script, holder), NEVER)
        wait_until(lambda: not living(f"sh -c {stays} {holder}"), "the release of the process")
        with pytest.raises(UnreachableError, match="exit code 0 in place of 7"):
            connection.query_docker(DockerQuery("version"), NEVER)


def test_traps_in_a_file_of_the_login_shell_are_refused_until_they_are_gone() -> None:
    with account() as who:
        file = who.home / ".bashrc"
        connection = SshConnection(who.server.host(user=who.name), Secrets())
        try:
            for trap, found in {
                "exit 0": "exit code 0 in place of 7",
                "echo bye": "other text on its standard output: 'bye\\n'",
                "echo bye >&2": "other text on its standard error: 'bye\\n'",
            }.items():
                file.write_text(f"echo Welcome\ntrap '{trap}' EXIT\n", encoding="ascii")
                with pytest.raises(UnreachableError) as caught:
                    connection.run(command("cat", "/etc/hostname"), NEVER)
                assert found in caught.value.message
            file.write_text("echo Welcome\ntrap 'echo bye >/dev/null' EXIT\n", encoding="ascii")
            output = connection.run(command("sh", "-c", "echo out; exit 3"), NEVER)
            assert (output.exit_code, output.stdout) == (3, "out\n")
            assert connection.established is not None
            assert connection.established.number == 4
        finally:
            connection.close()


def test_a_result_is_not_believed_if_the_connection_is_lost_before_the_test_command_is_answered(
    tmp_path: Path,
) -> None:
    behaviour: hostile_ssh.Behaviour = "is cut off before the test command is answered"
    with hostile_ssh.running(tmp_path / "server", behaviour) as server:
        connection = SshConnection(server.host(), Secrets())
        try:
            output = connection.run(command("true"), NEVER)
        finally:
            connection.close()
    assert (output.exit_code, output.lost) == (None, True)
    assert output.problem.startswith("connection lost before the exit status arrived")
