"""pyinfra's operations as steps on this machine: facts, plan, commands, and planning again to verify."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import io
import json
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import ParameterError, StepFailed
from runbook_lib.evidence.reader import read_journal
from runbook_lib.facts.base import Facts
from runbook_lib.integrations import pyinfra
from tests.integrations.pyinfra import others
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib import Operation
    from runbook_lib.model.records import HostRecord


def step(place: Path, operation: Operation, **given: Any) -> HostRecord:  # noqa: ANN401 - any parameter
    """Carry out one operation on one host; its record is also that of the journal."""
    book = Runbook.open(parameters(place, hosts="host-a", **given))
    with contextlib.suppress(StepFailed):
        book.step("Step", operation)
        book.close()
    assert read_journal(book.directory) == book.record
    (record,) = book.record.steps
    return record.hosts[0]


def kinds(record: HostRecord) -> list[str]:
    return [command.kind for command in record.commands]


def own(name: str, **arguments: Any) -> Operation:  # noqa: ANN401 - any operation's
    made: Operation = getattr(pyinfra.module("tests.integrations.pyinfra.others"), name)(**arguments)
    return made


def test_an_operation_changes_a_host_once_and_shows_what_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    operation = pyinfra.files.file(path=str(path), mode="600")
    first = step(tmp_path, operation)
    assert first.status == "changed"
    assert "".join(kind[0] for kind in kinds(first)).strip("f") == "cc"  # facts before and after two commands
    change = first.changes[0]
    assert (change.what, change.before) == (f"files.File(path={path})", None)
    assert '"mode": 600' in str(change.after)
    assert [check.holds for check in first.checks] == [True]
    second = step(tmp_path, operation)
    assert (second.status, kinds(second), second.changes) == ("ok", ["fact"], [])
    assert first.operation == f"pyinfra.files.file(path={str(path)!r}, mode='600')"


def test_mode_plan_shows_the_commands_and_mode_validate_finds_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    operation = pyinfra.files.directory(path=str(path))
    planned = step(tmp_path, operation, mode="plan")
    assert planned.status == "planned"
    assert [command.text for command in planned.commands if command.kind == "change"] == [
        f"sh -c 'mkdir -p {path}'"
    ]
    validated = step(tmp_path, operation, mode="validate")
    assert validated.status == "failed"
    assert f"observed 1 left to run: mkdir -p {path}" in validated.message
    path.mkdir()
    assert step(tmp_path, operation, mode="validate").status == "ok"


def test_an_upload_is_recorded_by_hash_and_size_whatever_it_holds(tmp_path: Path) -> None:
    contents: list[io.StringIO | io.BytesIO] = [
        io.StringIO("the first line\nthe last line without an end"),
        io.BytesIO(bytes(range(256)) * 300),
    ]
    for number, content in enumerate(contents):
        path = tmp_path / f"uploaded-{number}"
        record = step(tmp_path, pyinfra.files.put(src=content, dest=str(path), mode="600"))
        assert record.status == "changed"
        whole = path.read_bytes()
        assert whole == (
            content.getvalue() if isinstance(content, io.BytesIO) else content.getvalue().encode()
        )
        summary = f"{len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()}"
        assert [command.stdin for command in record.commands if command.stdin is not None] == [summary]
        assert (record.changes[0].before, record.changes[0].after) == (None, summary)
        assert "first line" not in json.dumps(record.model_dump(mode="json"))
        assert summary in record.operation


def test_a_local_file_that_has_changed_is_uploaded_again(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "uploaded"
    operation = pyinfra.files.put(src=str(source), dest=str(path))
    for text in ("one", "two"):
        source.write_text(text, encoding="utf-8")
        assert step(tmp_path, operation).status == "changed"
        assert path.read_text(encoding="utf-8") == text


def test_an_upload_that_arrives_only_in_part_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "uploaded"
    path.write_text("as it was", encoding="utf-8")
    plan = pyinfra.files.put(src=io.StringIO("new"), dest=str(path), _sudo=False)
    facts: dict[Any, Any] = {}
    while needed := plan.further_facts(Facts(facts)):
        facts[needed[0]] = needed[0].absent() if hasattr(needed[0], "origin") else None
    (command,) = [command for command in plan.plan(Facts(facts)).commands if command.stdin == "new"]
    done = subprocess.run(command.argv, input=b"ne", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"did not arrive completely" in done.stderr
    assert path.read_text(encoding="utf-8") == "as it was"


def test_a_template_knows_the_host_of_the_inventory_and_its_variables(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(
        "hosts:\n  host-a: {connection: local, variables: {port: 8080}}\n", encoding="utf-8"
    )
    path = tmp_path / "templated"
    text = io.StringIO("{{ host.name }}:{{ host.data.port }} {{ word }}\n")
    assert step(tmp_path, pyinfra.files.template(src=text, dest=str(path), word="hello")).status == "changed"
    assert path.read_text(encoding="utf-8") == "host-a:8080 hello\n"


def test_a_template_with_an_unknown_name_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "templated"
    record = step(tmp_path, pyinfra.files.template(src=io.StringIO("{{ missing }}"), dest=str(path)))
    assert record.status == "failed"
    assert "'missing' is undefined" in record.message
    assert not path.exists()


def test_operations_of_another_package_and_nested_ones(tmp_path: Path) -> None:
    operation = own("nested", path=str(tmp_path / "nested"))
    assert step(tmp_path, operation).status == "changed"
    assert (tmp_path / "nested" / "one" / "file").read_text(encoding="utf-8") == "no word\n"
    assert step(tmp_path, operation).status == "ok"
    wrapped = pyinfra.wrap(others.nested)(path=str(tmp_path / "nested"))
    assert step(tmp_path, wrapped).status == "ok"


def test_an_operation_may_change_its_arguments_and_the_values_of_facts(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    operation = own("lines", path=str(path), wanted=["one", "two", "three"])
    assert [step(tmp_path, operation).status for _ in range(2)] == ["changed", "ok"]
    assert path.read_text(encoding="utf-8").split() == ["one", "two", "three"]


def test_an_operation_that_always_acts_has_nothing_to_validate(tmp_path: Path) -> None:
    shell = pyinfra.server.shell(commands=[f"echo x >> {tmp_path / 'shell'}"])
    assert [step(tmp_path, shell).status for _ in range(2)] == ["changed", "changed"]
    assert (tmp_path / "shell").read_text(encoding="utf-8") == "x\nx\n"
    assert step(tmp_path, shell, mode="validate").status == "skipped"


def test_an_operation_that_acts_only_where_forced_has_nothing_to_validate(tmp_path: Path) -> None:
    forced = own("rebuild", path=str(tmp_path / "file"), force=True)
    assert step(tmp_path, forced, mode="validate").status == "skipped"
    assert [step(tmp_path, forced).status for _ in range(2)] == ["changed", "changed"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x\nx\n"
    assert step(tmp_path, own("rebuild", path=str(tmp_path / "file"))).status == "ok"


def test_an_operation_that_still_has_something_to_do_afterwards_is_never_green(tmp_path: Path) -> None:
    record = step(tmp_path, own("stubborn", path=str(tmp_path / "x")))
    assert record.status == "failed"
    assert "1 left to run: true (if it is meant to act each time: _verifiable=False)" in record.message
    assert step(tmp_path, own("stubborn", path=str(tmp_path / "x"), _verifiable=False)).status == "changed"


@pytest.mark.parametrize("name", ["link", "directory", "file"])
def test_force_replaces_what_is_in_the_way_once(tmp_path: Path, name: str) -> None:
    path, target = tmp_path / "place", tmp_path / "target"
    if name == "file":
        path.mkdir()
    else:
        path.write_text("in the way\n", encoding="utf-8")
    given = {"target": str(target)} if name == "link" else {}
    operation = getattr(pyinfra.files, name)(path=str(path), force=True, **given)
    first = step(tmp_path, operation)
    assert first.status == "changed", first.message
    assert {"link": path.is_symlink(), "directory": path.is_dir(), "file": path.is_file()}[name]
    (kept,) = tmp_path.glob("place.*")
    assert kept.is_dir() == (name == "file")
    assert step(tmp_path, operation).status == "ok"


def test_what_is_still_in_the_way_after_the_change_is_never_green(tmp_path: Path) -> None:
    path = tmp_path / "place"
    path.write_text("in the way\n", encoding="utf-8")
    operation = pyinfra.files.directory(path=str(path), force=True)
    validated = step(tmp_path, operation, mode="validate")
    assert validated.status == "failed"
    assert f"{path} exists and is not a directory" in validated.message
    assert path.is_file()


def test_hosts_are_worked_on_in_parallel(tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    for number in range(3):
        made = book.step("Directory", pyinfra.files.directory(path=f"{tmp_path}/many-{number}/{{}}"))
        assert {host.status.value for host in made.hosts} <= {"changed", "ok"}
    book.close()


def test_global_arguments_become_part_of_the_commands(tmp_path: Path) -> None:
    record = step(
        tmp_path,
        pyinfra.server.shell(
            commands=['echo "$WORD" in $(pwd); cat; exit 3'],
            name="say a word",
            _env={"WORD": "it's"},
            _chdir=str(tmp_path),
            _shell_executable="bash",
            _success_exit_codes=[3],
            _stdin=["one", "two"],
            _timeout=20,
        ),
    )
    (command,) = record.commands
    assert command.stdout.head == f"it's in {tmp_path}\none\ntwo\n"
    assert (command.purpose, command.exit_code, command.accepted) == ("say a word", 3, True)
    assert record.status == "changed"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("yes", "yes\n"),
        ("yes\n", "yes\n"),
        ("", ""),
        (["a", "b\n"], "a\nb\n"),
        (["a\nb"], "a\nb\n"),
        (iter(["a", "b"]), "a\nb\n"),
        (io.StringIO("a\nb"), "a\nb\n"),
    ],
    ids=["text", "line", "nothing", "list", "lines in a list", "iterator", "file"],
)
def test_standard_input_is_what_pyinfra_sends(tmp_path: Path, given: Any, sent: str) -> None:  # noqa: ANN401 - any of them
    operation = pyinfra.server.shell(commands=[f"cat > {tmp_path / 'got'}"], _stdin=given)
    for _ in range(2):  # an open file is read once, and sent each time
        record = step(tmp_path, operation)
        assert record.status == "changed", record.message
        assert (tmp_path / "got").read_text(encoding="utf-8") == sent


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("user", [{"_su_user": "nobody", "_su_shell": "sh"}, {"_sudo_user": "nobody"}])
def test_another_user_of_the_host(tmp_path: Path, user: dict[str, str]) -> None:
    record = step(tmp_path, pyinfra.server.shell(commands=["id -un"], **user))
    assert record.commands[0].stdout.head == "nobody\n", record.message


def test_the_signature_and_the_description_are_those_of_pyinfra() -> None:
    signature = inspect.signature(pyinfra.files.put)
    assert list(signature.parameters)[:3] == ["src", "dest", "user"]
    assert signature.parameters["_sudo"].default is True
    assert "Upload a local file" in str(inspect.getdoc(pyinfra.files.put))
    assert {"put", "template"} <= set(dir(pyinfra.files))
    assert {"apt", "files", "freebsd.pkg", "wrap"} <= set(dir(pyinfra))


def test_nothing_is_patched_in_this_process(tmp_path: Path) -> None:
    """After a step was planned, carried out and verified, gevent has replaced nothing, and has no loop here."""
    assert step(tmp_path, pyinfra.files.directory(str(tmp_path / "new"))).status == "changed"
    loaded = importlib.import_module("gevent.monkey")  # pyinfra's own dependency
    assert loaded.saved == {}
    assert importlib.import_module("gevent._hub_local").get_hub_if_exists() is None
    assert threading.Thread.__module__ == "threading"
    assert socket.socket.__module__ == "socket"
    with pytest.raises(ParameterError):
        pyinfra.wrap(print)
