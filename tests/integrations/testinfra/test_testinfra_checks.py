"""testinfra's modules as checks, on this machine: what holds, what does not, and what is never green."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted, ParameterError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.installation import Origin
from runbook_lib.report.junit import junit
from tests.deadlines import deadline
from tests.runbook.practice import Holds, parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runbook_lib.model.records import HostRecord, StepRecord


Asked: TypeAlias = Any  # testinfra is not typed here


def checked(
    place: Path, predicate: Callable[[Any], object], *, hosts: str = "host-a", **given: Asked
) -> StepRecord:
    """Make one check in a run of its own; the journal has the same record."""
    options = {name: given.pop(name) for name in ("expected", "timeout") if name in given}
    book = Runbook.open(parameters(place, hosts=hosts, **given))
    try:
        book.check("Practice", predicate, **options)
        book.close()
    except StepFailed:
        assert book.record.status in {"failed", "unreachable"}
    assert read_journal(book.directory) == book.record
    return book.record.steps[0]


def on_a(step: StepRecord) -> HostRecord:
    return next(host for host in step.hosts if host.host == "host-a")


@pytest.mark.parametrize("mode", ["plan", "apply", "validate"])
def test_a_check_is_made_on_all_hosts_in_every_mode_and_recorded(tmp_path: Path, mode: str) -> None:
    step = checked(tmp_path, lambda host: host.file("/etc/passwd").is_file, hosts="all", mode=mode)
    assert [(host.host, host.status) for host in step.hosts] == [("host-a", "ok"), ("host-b", "ok")]
    host = on_a(step)
    assert {command.kind for command in host.commands} == {"fact"}
    assert any("test -f /etc/passwd" in command.text for command in host.commands)
    (check,) = host.checks
    assert (check.name, check.expected, check.observed, check.id) == (
        "Practice",
        "True",
        "True",
        "check.result",
    )
    assert set(host.facts.values()) <= {"exit code 0", "exit code 1"}


def test_modules_of_testinfra_see_this_machine(tmp_path: Path) -> None:
    def all_of_them(host: Asked) -> bool:
        passwd = host.file("/etc/passwd")
        assert (passwd.user, passwd.mode) == ("root", 0o644)
        assert passwd.contains("^root:")
        assert host.user("root").uid == 0
        assert host.exists("sh")
        assert not host.exists("no-such-program")
        assert host.check_output("echo %s", "it's $HOME") == "it's $HOME"
        assert host.run("exit 3").rc == 3
        assert host.run("echo äö; echo err >&2").stdout == "äö\n"
        assert host.run("cat /no/such/file").stderr.startswith("cat: /no/such/file")
        assert host.package("no-such-package").is_installed is False
        return bool(host.system_info.type == "linux")

    assert on_a(checked(tmp_path, all_of_them)).status == "ok", "see the message"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_sudo_and_nested_sudo(tmp_path: Path) -> None:
    def users(host: Asked) -> list[str]:
        with host.sudo():
            first = host.check_output("id -un")
            with host.sudo("nobody"):
                return [first, host.check_output("id -un"), host.user().name]

    assert on_a(checked(tmp_path, users, expected=["root", "nobody", "nobody"])).status == "ok"


def test_a_check_waits_for_nothing_but_may_ask_again(tmp_path: Path) -> None:
    def counted(host: Asked) -> bool:
        for _ in range(3):
            host.run(f"echo x >> {tmp_path}/count")
        return bool(host.check_output(f"wc -l < {tmp_path}/count") == "3")

    assert on_a(checked(tmp_path, counted)).status == "ok"


def assertion_with_a_message(host: Asked) -> bool:
    assert host.user("root").uid == 4711, "root has another number"
    return True


def assertion_without_a_message(host: Asked) -> bool:
    assert host.user("root").uid == 4711
    return True


@pytest.mark.parametrize(
    ("predicate", "options", "expected"),
    [
        (lambda host: host.file("/no/such").exists, {}, "Practice: expected True, observed False"),
        (lambda host: host.user("root").uid, {"expected": 4711}, "expected 4711, observed 0"),
        (
            lambda host: host.user("root").uid,
            {"expected": False},
            "observed 0, which is neither True nor False",
        ),
        (lambda host: host.user("root").name, {}, "'root', which is neither True nor False: compare it"),
        (lambda _: None, {}, "observed None, which is neither True nor False"),
        (assertion_with_a_message, {}, "observed AssertionError: root has another number"),
        (assertion_without_a_message, {}, 'in `assert host.user("root").uid == 4711`'),
        (lambda host: host.check_output("exit 9"), {}, "Unexpected exit code 9"),
        (lambda host: host.no_such_module, {}, "'Host' object has no attribute 'no_such_module'"),
        (lambda _: 1 / 0, {}, "observed ZeroDivisionError: division by zero"),
        (lambda _: sys.exit(0), {}, "observed SystemExit: 0"),
        (lambda _: time.sleep(5), {"timeout": 0.3}, "observed no result after 0.3 s"),
        (lambda host: host.run("sleep 30").rc == 0, {"timeout": deadline(2.0)}, "still running after"),
    ],
)
def test_what_is_not_true_is_never_green(
    tmp_path: Path, predicate: Callable[[Any], object], options: dict[str, Any], expected: str
) -> None:
    host = on_a(checked(tmp_path, predicate, **options))
    assert host.status == "failed"
    assert expected in host.message.replace("\\", "")
    assert not any(check.holds for check in host.checks)


def test_a_predicate_that_hangs_holds_up_neither_a_deadline_nor_an_interrupt(tmp_path: Path) -> None:
    started = time.monotonic()
    record = on_a(checked(tmp_path, lambda _: time.sleep(60), step_timeout=0.5))
    assert "step_timeout" in record.message
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    threading.Timer(0.5, book.interrupt).start()
    with pytest.raises(Interrupted):
        book.check("Practice", lambda _: time.sleep(60))
    assert book.record.status == "interrupted"
    assert time.monotonic() - started < 30


def test_mode_plan_does_not_fail_for_what_an_earlier_step_would_provide(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a", mode="plan"))
    path = tmp_path / "file"
    book.step("File", Holds(str(path), "text\n"))
    assert book.check("It is there", lambda host: host.file(str(path)).exists).status == "skipped"
    assert book.close().status == "planned"


def test_a_check_knows_no_secret_in_its_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRACTICE_SECRET", "correct horse battery")
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    secret = book.secret("${env:PRACTICE_SECRET}")
    (tmp_path / "file").write_text(secret, encoding="utf-8")
    read = book.check("Secret", lambda host: host.file(f"{tmp_path}/file").content_string, expected=secret)
    assert read.status == "ok"
    with pytest.raises(StepFailed, match="would show a secret"):
        book.check("Shown", lambda host: host.run("echo %s", secret).rc == 0)
    evidence = b"".join(file.read_bytes() for file in book.directory.rglob("*") if file.is_file())
    assert b"correct horse" not in evidence


def test_an_unreachable_host_fails_the_check_and_leaves_nothing_waiting(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").touch()
    host = f"{{address: 127.0.0.1, port: 1, user: nobody, known_hosts: {tmp_path}/known_hosts}}"
    (tmp_path / "inventory.yml").write_text(f"hosts:\n  host-a: {host}\n", encoding="utf-8")
    step = checked(tmp_path, lambda host: host.run("true").rc == 0, mode="validate")
    assert on_a(step).status == "unreachable"


@pytest.mark.parametrize(
    ("predicate", "timeout", "expected"),
    [("not a function", 1.0, "must be a function of a host"), (bool, 0, "must be positive, not 0")],
)
def test_a_check_that_cannot_be_made_is_refused_at_once(
    tmp_path: Path, predicate: Callable[[Asked], object], timeout: float, expected: str
) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a"))
    with pytest.raises(ParameterError, match=expected):
        book.check("Practice", predicate, timeout=timeout)
    assert book.record.steps == []


def test_the_check_is_a_case_of_the_junit_report(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, hosts="host-a", on_failure="continue"))
    with pytest.raises(StepFailed):
        book.check("It is a directory", lambda host: host.file("/etc/passwd").is_directory)
    assert b"expected True, observed False" in junit([book.record])


def test_without_the_extra_the_message_names_it() -> None:
    program = """
import sys
sys.modules["testinfra"] = None
from runbook_lib.integrations import testinfra
try:
    testinfra.check("x", bool)
except Exception as problem:
    print(type(problem).__name__, problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=deadline(60)
    )
    assert done.stdout.startswith("RequirementError")
    assert Origin.installed().pip_install("testinfra") in done.stdout
