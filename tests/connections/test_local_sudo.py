"""On this machine too, whether sudo ran a command is known from the command's own shell, and a slow sudo is named."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.connections.local import LocalConnection
from runbook_lib.host_settings import Host
from runbook_lib.model.commands import Command
from runbook_lib.secrets import Secrets
from tests.connections.accounts import PASSWORD, require
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.connections.accounts import Account

NEVER = threading.Event()


@pytest.fixture(scope="module", autouse=True)
def _needs_sudo() -> None:
    require("sudo", "sshd")


def as_user(
    who: Account, work: Callable[[LocalConnection], dict[str, Any]], password: str = ""
) -> dict[str, Any]:
    """Return what a function makes of a connection in a process of this user."""
    secret = who.home / "password"
    secret.write_text(password, encoding="ascii")
    secret.chmod(0o644)
    uid, gid = (int(subprocess.check_output(["id", flag, who.name])) for flag in ("-u", "-g"))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter(who.server.mount_namespace)
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.environ.update(HOME=str(who.home), USER=who.name, LOGNAME=who.name)
            given = {"sudo_password": f"${{file:{secret}}}"} if password else {}
            host = Host.model_validate({"name": "here", "connection": "local", **given})
            made = work(LocalConnection(host, Secrets()))
        except BaseException:  # noqa: BLE001 - raised in the test
            made = {"problem": traceback.format_exc()}
        with contextlib.suppress(OSError):
            os.write(writing, json.dumps(made).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(pid, 0)
    assert "Traceback" not in answer.get("problem", ""), answer["problem"]
    return answer


def enter(namespace: Path) -> None:
    """Make a mount namespace that of this process, whose sudo then reads the rules there."""
    with namespace.open("rb") as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def run(*argv: str, stdin: str | None = None) -> Callable[[LocalConnection], dict[str, Any]]:
    def work(connection: LocalConnection) -> dict[str, Any]:
        output = connection.run(Command(argv, stdin=stdin, sudo=True, timeout=deadline(60.0)), NEVER)
        return {
            "code": output.exit_code,
            "stdout": output.stdout,
            "stderr": output.stderr,
            "refused": output.refused,
            "problem": output.problem,
        }

    return work


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_command_runs_as_root_and_its_input_is_its_own(passwordless: Account, password: str) -> None:
    answer = as_user(
        passwordless, run("sh", "-c", "id -u; cat; echo sudo: no >&2; exit 1", stdin="own\n"), password
    )
    assert answer == {"code": 1, "stdout": "0\nown\n", "stderr": "sudo: no\n", "refused": "", "problem": ""}


def test_an_argument_that_is_not_utf_8_arrives_as_root_too(passwordless: Account) -> None:
    show = 'printf %s "$1" | od -An -v -tx1'
    answer = as_user(passwordless, run("sh", "-c", show, "sh", os.fsdecode(b"it's \xe9\n")))
    assert bytes.fromhex(answer["stdout"]) == b"it's \xe9\n"


def test_a_password_is_given_if_sudo_asks(asking: Account) -> None:
    answer = as_user(asking, run("sh", "-c", "id -u; cat", stdin="own\n"), PASSWORD)
    assert answer == {"code": 0, "stdout": "0\nown\n", "stderr": "", "refused": "", "problem": ""}


def test_a_wrong_or_missing_password_is_a_refusal(asking: Account) -> None:
    wrong = as_user(asking, run("test", "-e", "/etc/shadow", stdin=f"{PASSWORD}\n" * 3), "wrong-password")
    assert (wrong["code"], wrong["refused"]) == (1, f"sudo refused the password of {asking.name}")
    missing = as_user(asking, run("test", "-e", "/no/such/file"))
    assert "password is required" in missing["refused"]


@pytest.mark.parametrize(("password", "runs"), [(PASSWORD, True), ("wrong-password", False), ("", False)])
def test_a_persistent_process_runs_as_root_or_is_refused(
    asking: Account,
    password: str,
    runs: bool,  # noqa: FBT001 - a case
) -> None:
    def work(connection: LocalConnection) -> dict[str, Any]:
        command = Command(("sh", "-c", "id -u; echo .; read -r word; test $word = release"), sudo=True)
        output, process = connection.start_persistent(command, NEVER)
        if process:
            process.release()
        return {"stdout": output.stdout, "refused": output.refused, "process": bool(process)}

    answer = as_user(asking, work, password)
    assert answer["process"] is runs
    assert answer["stdout"] == ("0\n.\n" if runs else "")
    assert bool(answer["refused"]) is not runs


def test_a_slow_sudo_is_waited_for_and_named(passwordless: Account) -> None:
    bin_directory = Path(passwordless.home / "bin")
    bin_directory.mkdir()
    wrapper = bin_directory / "sudo"
    wrapper.write_text('#!/bin/sh\nsleep 11\nexec /usr/bin/sudo "$@"\n', encoding="ascii")
    wrapper.chmod(0o755)

    def work(connection: LocalConnection) -> dict[str, Any]:
        os.environ["PATH"] = f"{bin_directory}:{os.environ['PATH']}"
        return run("echo", "done")(connection)

    answer = as_user(passwordless, work)
    assert (answer["code"], answer["stdout"], answer["refused"]) == (0, "done\n", "")
    assert answer["problem"].startswith("sudo was slow: it took 1")
