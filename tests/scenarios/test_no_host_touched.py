"""Bad input is found before the first host, by every program that runs a runbook: a host that listens sees nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runbook_lib import Runbook
from runbook_lib.errors import InputError, InventoryError
from runbook_lib.execution.fleet.job_graph import plan_run
from runbook_lib.execution.fleet.request import RunRequest
from tests.connections.sshd import make_key
from tests.deadlines import deadline
from tests.runbook.practice import parameters
from tests.scenarios.practice import RUNBOOK, TOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTEBOOK = "notebooks/00_preflight.ipynb"


class Listening:
    """A host that would notice a connection, and the inventory that names it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0)
        (place / "known_hosts").touch()
        self.key = make_key(place / "key")
        self.inventory = place / "inventory.yml"
        self.write()

    def write(self, **changes: Any) -> None:  # noqa: ANN401 - any field of a host
        """Write the inventory, with other values or names than the right ones."""
        host = {
            "address": "127.0.0.1",
            "port": self.socket.getsockname()[1],
            "identity_file": str(self.key),
            "known_hosts": str(self.place / "known_hosts"),
            "connect_timeout": 1.0,
        }
        hosts = {"web-1": {**host, **changes}}
        self.inventory.write_text(
            yaml.safe_dump({"hosts": hosts, "groups": {"web": ["web-1"]}}), encoding="utf-8"
        )

    def touched(self) -> bool:
        """Return whether anybody has connected."""
        try:
            self.socket.accept()
        except BlockingIOError:
            return False
        return True

    def request(self, **given: Any) -> RunRequest:  # noqa: ANN401 - any field of a request
        """Return the request that would be carried out."""
        pairs = (("inventory", str(self.inventory)), ("runs", str(self.place / "runs")))
        options = {"hosts": "all", "mode": "plan"}
        return RunRequest(**{"names": [NOTEBOOK], "pairs": pairs, "options": options, **given})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.chdir(TOP)
    listening = Listening(tmp_path)
    yield listening
    assert not listening.touched()
    assert not (tmp_path / "runs").exists()
    listening.socket.close()


def refused(request: RunRequest) -> str:
    with pytest.raises(InputError) as caught:
        plan_run(request)
    assert caught.value.exit_code == 2
    assert caught.value.where
    return caught.value.message


def test_the_request_itself_is_in_order(host: Listening) -> None:
    assert [job.hosts for job in plan_run(host.request()).jobs] == [["web-1"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identity_file": "/nowhere/key"}, "identity_file /nowhere/key does not exist"),
        ({"identity_file": "/etc"}, "identity_file /etc is a directory"),
        ({"identity_file": "/etc/passwd"}, "identity_file /etc/passwd is not a private key"),
        ({"known_hosts": "/nowhere/known_hosts"}, "known_hosts /nowhere/known_hosts does not exist"),
        ({"address": "-oProxyCommand=x"}, "'address': must be one word"),
        ({"port": 0}, "'port': Input should be greater than or equal to 1"),
        ({"port": 70000}, "'port': Input should be less than or equal to 65535"),
        ({"connect_timeout": float("inf")}, "'connect_timeout': Input should be a finite number"),
        ({"usr": "ops"}, "unknown name 'usr' (did you mean 'user'?)"),
        ({"sudo_password": "${env:NOT_SET_ANYWHERE}"}, "the secret has no value"),
    ],
)
def test_a_host_that_is_described_wrongly(host: Listening, changes: dict[str, Any], message: str) -> None:
    host.write(**changes)
    assert message in refused(host.request())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "'hosts' is missing"),
        (b"hosts: {}\n", "has no hosts"),
        (b"hosts:\n\tweb-1: {}\n", "malformed YAML"),
        ("hosts:\n  web-1: {}\n".encode("utf-16"), "it is in UTF-16"),
        (b"hosts:\n  w\xe9b: {}\n", "byte 0xe9 is not UTF-8"),
        (b"hosts:\n  web-1: {}\n  web-1: {}\n", "duplicate key 'web-1'"),
        (b"hosts:\n  web-1: {}\n  WEB-1: {}\n", "host 'WEB-1' has the name of host 'web-1'"),
        (b"hosts:\n  web-1: {}\ngroups:\n  web-1: []\n", "group 'web-1' has the name of host 'web-1'"),
    ],
)
def test_an_inventory_that_is_written_wrongly(host: Listening, raw: bytes, message: str) -> None:
    host.inventory.write_bytes(raw)
    assert message in refused(host.request())


def test_a_file_that_is_no_file(host: Listening) -> None:
    os.mkfifo(host.place / "pipe")
    for path, what in ((host.place, "a directory"), (host.place / "pipe", "not a regular file")):
        if not path.is_dir():  # a directory is an inventory of several files
            assert f"it is {what}" in refused(host.request(pairs=[("inventory", str(path))]))
        assert f"it is {what}" in refused(host.request(files=[str(path)]))
        assert f"it is {what}" in refused(host.request(names=(), matrix=str(path)))
        notebook = path.with_name(f"{path.name}.ipynb")
        if path.is_dir():
            notebook.mkdir()
        else:
            os.mkfifo(notebook)
        assert f"not a notebook: {what}" in refused(host.request(names=[str(notebook)]))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("most_clock_skew", ".inf", "must be a finite number"),
        ("most_clock_skew", ".nan", "must be a finite number"),
        ("least_disk", "2026-01-02", "a date or time in YAML: 2026-01-02"),
        ("least_disk", "2026-13-45", "Input should be a valid integer"),
        ("least_dsk", "1", "unknown name 'least_dsk' (did you mean 'least_disk'?)"),
    ],
)
def test_a_parameter_that_is_wrong(host: Listening, name: str, value: str, message: str) -> None:
    request = host.request()
    assert message in refused(host.request(pairs=[*request.pairs, (name, value)]))


def test_a_runbook_opened_by_hand(host: Listening) -> None:
    host.write(identity_file="/nowhere/key")
    given = parameters(host.place)
    given = given.model_copy(update={"inventory": str(host.inventory), "hosts": "all"})
    with pytest.raises(InventoryError, match="does not exist"):
        Runbook.open(given)


def programs(host: Listening) -> dict[str, tuple[list[str], int]]:
    """Return each program that runs runbooks, and its exit code for bad input."""
    python = [sys.executable, "-m"]
    given = [("inventory", str(host.inventory)), ("runs", str(host.place / "runs")), ("hosts", "all")]
    pairs = [word for name, value in given for word in ("-p", name, value)]
    out = str(host.place / "out.ipynb")
    set_ = [word for name, value in given[:2] for word in ("--runbook-set", name, value)]
    return {
        "run": ([str(RUNBOOK), "run", NOTEBOOK, *pairs], 2),
        "plan": ([str(RUNBOOK), "run", NOTEBOOK, "--mode", "plan", *pairs], 2),
        "papermill": ([*python, "papermill", "--engine", "runbook", NOTEBOOK, out, *pairs], 2),
        "pytest": ([*python, "pytest", "--runbooks", NOTEBOOK, "--runbook-hosts", "all", *set_], 4),
    }


@pytest.mark.parametrize("program", ["run", "plan", "papermill", "pytest"])
def test_every_program_says_the_same_and_touches_no_host(host: Listening, program: str) -> None:
    host.key.chmod(0o644)
    command, code = programs(host)[program]
    wide = {**os.environ, "COLUMNS": "500"}
    done = subprocess.run(
        command, cwd=TOP, capture_output=True, text=True, timeout=deadline(60), check=False, env=wide
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert f"identity_file {host.key} is readable by other users (mode 0644)" in done.stderr
    assert f"{host.inventory}, host 'web-1'" in done.stderr
    assert "hint: chmod 600" in done.stderr
    assert "Traceback" not in done.stderr
