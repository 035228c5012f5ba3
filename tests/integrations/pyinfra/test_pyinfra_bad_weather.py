"""Operations of pyinfra that fail, and calls that cannot be right: one clear message, and a record of what was sent."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pyinfra.facts.mysql import MysqlUsers
from pyinfra.facts.server import Users

from runbook_lib import Runbook
from runbook_lib.errors import ParameterError, RequirementError, StepFailed
from runbook_lib.installation import Origin
from runbook_lib.integrations import pyinfra
from runbook_lib.integrations.pyinfra.arguments import ALLOWED
from runbook_lib.integrations.pyinfra.facts import make_fact
from tests.deadlines import deadline
from tests.integrations.pyinfra.test_pyinfra_steps import kinds, own, step
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyinfra.api import FactBase


def test_an_operation_that_fails_halfway_leaves_a_record_of_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    record = step(tmp_path, own("lines", path=str(path), wanted=["one", "two"], fails=True))
    assert record.status == "failed"
    assert "exited with 7: the disk is on fire" in record.message
    assert kinds(record) == ["fact", "change", "change"]
    assert [command.exit_code for command in record.commands] == [0, 0, 7]
    assert path.read_text(encoding="utf-8") == "one\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unanswered", "pyinfra.tests.integrations.pyinfra.others.Unanswered(): `echo the device"),
        ("unanswered", "exited with 3: the device is not configured"),
        ("garbled", "unexpected output: ValueError: invalid literal for int() with base 10: 'seven'"),
    ],
)
def test_a_fact_that_the_host_cannot_answer(tmp_path: Path, name: str, expected: str) -> None:
    record = step(tmp_path, own(name))
    assert record.status == "failed"
    assert expected in record.message
    assert kinds(record) == ["fact"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("calls", {"function": print}, "pyinfra's others.calls runs a Python function of its own"),
        ("refuses", {}, "pyinfra's others.refuses: the path is not ours"),
        ("mistaken", {}, "pyinfra's others.mistaken: tests.integrations.pyinfra.others.Lines: "),
        ("mistyped", {}, "is not a number"),
        ("hidden", {}, "`echo *MASKED*` would show a hidden value to every process on the host"),
        ("misinformed", {}, "`_timeout` must be a number of seconds, not 'long'"),
        ("endless", {}, "still asks for facts after 1000"),
    ],
)
def test_what_cannot_be_planned_is_refused_before_anything_is_changed(
    tmp_path: Path, name: str, arguments: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook_lib.runbook.steps.host_session._MOST_FACTS", 20)
    record = step(tmp_path, own(name, path=str(tmp_path / "x"), **arguments))
    assert record.status == "failed"
    assert expected.replace("1000", "20") in record.message
    assert set(kinds(record)) <= {"fact"}
    assert "hunter2" not in record.model_dump_json()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: pyinfra.fils, "no module 'fils' with pyinfra operations\n  hint: did you mean files?"),
        (
            lambda: pyinfra.files.putt,
            "no operation 'putt' in pyinfra's module files\n  hint: did you mean put?",
        ),
        (lambda: pyinfra.freebsd.pgk, "there is no module 'freebsd.pgk'"),
        (lambda: pyinfra.files.put(scr="a", dest="b"), "no argument 'scr'\n  hint: did you mean src"),
        (
            lambda: pyinfra.files.template("a", "b", _sud=True),
            "no argument '_sud'\n  hint: did you mean _sudo",
        ),
        (
            lambda: pyinfra.files.put("a"),
            "missing a required argument: 'dest'\n  hint: its arguments are: src",
        ),
        (lambda: pyinfra.server.shell("true", _retries=2), "`_retries` of pyinfra is not supported"),
        (lambda: pyinfra.server.shell("true", _sudo_password=True), "a `sudo_password` in the inventory"),
        (lambda: pyinfra.server.shell("true", _success_exit_codes="x"), "must be numbers, not 'x'"),
        (lambda: pyinfra.server.shell("true", _success_exit_codes=5), "must be numbers, not 5"),
        (lambda: pyinfra.server.shell("true", _timeout="abc"), "`_timeout` must be a number of seconds, not"),
        (lambda: pyinfra.server.shell("true", _timeout=-1), "`_timeout` must be a number of seconds, not -1"),
        (lambda: pyinfra.server.shell("true", _env="abc"), "`_env` must be variables by name, not str"),
        (lambda: pyinfra.server.shell("true", _chdir=7), "`_chdir` must be text, not 7"),
        (lambda: pyinfra.server.shell("true", _shell_executable="sh 'x"), 'is not a command line: "sh \'x"'),
        (lambda: pyinfra.server.shell("true", _stdin=b"abc"), "or an open text file, not bytes"),
        (lambda: pyinfra.server.shell("true", _stdin=b""), "or an open text file, not bytes"),
        (lambda: pyinfra.server.shell("true", _stdin=7), "or an open text file, not int"),
        (lambda: pyinfra.server.shell("true", _stdin=["a", 7]), "not list of int"),
        (lambda: pyinfra.server.shell("true", _stdin=io.BytesIO(b"a")), "not BytesIO of bytes"),
        (lambda: pyinfra.server.user("x", password=True), "`password` is refused: the hash of the password"),
        (lambda: pyinfra.module("no_such_package"), "no module 'no_such_package'"),
    ],
)
def test_a_call_that_cannot_be_right_is_refused_where_it_is_written(
    call: Callable[[], object], expected: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        call()
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_local_file_changes_nothing(tmp_path: Path) -> None:
    record = step(tmp_path, pyinfra.files.put(src=str(tmp_path / "missing"), dest=str(tmp_path / "x")))
    assert record.status == "failed"
    assert "No such file" in record.message


def test_a_secret_is_neither_on_a_command_line_nor_in_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRACTICE_SECRET", "correct horse battery")
    book = Runbook.open(parameters(tmp_path, hosts="host-a", on_failure="continue"))
    secret = book.secret("${env:PRACTICE_SECRET}")
    path = tmp_path / "secret"
    assert (
        book.step("File", pyinfra.files.put(src=io.StringIO(secret), dest=str(path), mode="600")).status
        == "changed"
    )
    assert path.read_text(encoding="utf-8") == secret
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StepFailed):
        book.step("Shell", pyinfra.server.shell(commands=[f"echo {secret}"]))
    shown = book.record.steps[-1].hosts[0]
    assert shown.status == "failed"
    assert "would show a secret" in shown.message
    evidence = b"".join(file.read_bytes() for file in book.directory.rglob("*") if file.is_file())
    assert b"correct horse" not in evidence


@pytest.mark.parametrize(
    ("fact", "printed", "shown"),
    [
        (Users, "ops:x:1:1|ops|ops||$y$j9T$salt$hash", "ops:x:1:1|ops|ops||[hash of the password]"),
        (Users, "ops:x:1:1|ops|ops||!*", "ops:x:1:1|ops|ops||!*"),
        (Users, "ops:x:1:1|ops|ops||", "ops:x:1:1|ops|ops||"),
        (Users, "ops:x:1:1|ops|ops||rqXexS6ZhobKA", "ops:x:1:1|ops|ops||[hash of the password]"),
        (Users, "ops:x:1:1|ops|ops||!!_J9..rasmBYk8r9AiWNc", "ops:x:1:1|ops|ops||[hash of the password]"),
        (MysqlUsers, "ops\t6f8c114b58f2ce9e\tY", "ops\t[hash of the password]\tY"),
        (
            MysqlUsers,
            "ops\ted25519\tZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY\tY",
            "ops\ted25519\t[hash of the password]\tY",
        ),
        (
            MysqlUsers,
            "ops\t*0123456789ABCDEF0123456789ABCDEF01234567\tY",
            "ops\t[hash of the password]\tY",
        ),
        (MysqlUsers, "ops\t$A$005$salt and hash\tY", "ops\t[hash of the password]\tY"),
    ],
)
def test_hashes_of_passwords_stay_on_the_host(
    monkeypatch: pytest.MonkeyPatch, fact: type[FactBase[Any]], printed: str, shown: str
) -> None:
    monkeypatch.setattr(fact, "command", lambda *_: f"printf '%s\\n' '{printed}'")
    monkeypatch.setattr(fact, "requires_command", lambda *_: None)
    made = make_fact(fact, (), {}, ALLOWED, SimpleNamespace(state=None))
    done = subprocess.run(made.command.argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"{shown}\n"


def test_without_the_extra_the_message_names_it() -> None:
    program = """
import sys
sys.modules["pyinfra"] = sys.modules["testinfra"] = None
from runbook_lib.integrations import pyinfra
try:
    pyinfra.files
except Exception as problem:
    print(type(problem).__name__, problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=deadline(60)
    )
    assert done.stdout.startswith(RequirementError.__name__)
    assert Origin.installed().pip_install("pyinfra") in done.stdout
