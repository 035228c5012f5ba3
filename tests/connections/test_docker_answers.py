"""What an engine's socket may answer: it costs no more than the time and the memory that the run allows."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import json
import re
import socket
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from runbook_lib.connections.command_wait import CommandWait
from runbook_lib.connections.docker_api import DockerApi
from runbook_lib.connections.output_budget import OutputBudget
from runbook_lib.errors import FactError, FactUnavailable
from runbook_lib.grace_periods import COMMAND_AFTER_INTERRUPT
from runbook_lib.model.commands import DockerQuery
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from runbook_lib.model.commands import Output

VERSION = json.dumps({"ApiVersion": "1.44"}).encode()


def answered(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def pieces(path: str) -> Iterator[bytes]:
    """Answer as an engine does, in small pieces."""
    whole = answered(VERSION if "version" in path else b'[{"Name": "bridge"}]')
    for start in range(0, len(whole), 7):
        yield whole[start : start + 7]


def dripping(_path: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    while True:
        yield b"["
        time.sleep(0.5)


def with_environments(path: str) -> Iterator[bytes]:
    container = {
        "Config": {"Env": ["PATH=/bin", "PGPASSWORD=hunter2=", "EMPTY", 7], "Cmd": ["Env"]},
        "Env": None,
    }
    yield answered(VERSION if "version" in path else json.dumps([{"Spec": container}]).encode())


def silent(_path: str) -> Iterator[bytes]:
    time.sleep(30)
    yield b""


def endless_head(_path: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-Filler: 0123456789\r\n"


def endless_body(_path: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b" " * 65536 + b"\r\n"


@functools.lru_cache
def compressed() -> bytes:
    return gzip.compress(b" " * 200_000_000, 1)


def bomb(_path: str) -> Iterator[bytes]:
    yield answered(compressed(), "Content-Encoding: gzip")


def redirect(_path: str) -> Iterator[bytes]:
    yield answered(b"", "Location: http://127.0.0.1:1/elsewhere", status="302 Found")


def nested(_path: str) -> Iterator[bytes]:
    yield answered(b"[" * 200_000)


def no_version(_path: str) -> Iterator[bytes]:
    yield answered(b"[]")


def other_version(version: object) -> Callable[[str], Iterator[bytes]]:
    def answer(_path: str) -> Iterator[bytes]:
        yield answered(json.dumps({"ApiVersion": version}).encode())

    return answer


def not_json(_path: str) -> Iterator[bytes]:
    yield answered(b"<html>hello</html>")


class Engine:
    """An HTTP server on a Unix socket."""

    def __init__(self, path: Path, answer: Callable[[str], Iterable[bytes]]) -> None:
        self.path = path
        self._answer = answer
        self.requests: list[str] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def dial(self, _wait: CommandWait) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(self.path))
        return stream

    def end(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self._listening.accept()
                threading.Thread(target=self._respond, args=(stream,), daemon=True).start()

    def _respond(self, stream: socket.socket) -> None:
        with contextlib.suppress(OSError), stream:
            request = stream.recv(65536).decode()
            self.requests.append(request)
            for piece in self._answer(request.split()[1]):
                stream.sendall(piece)


def ask(
    tmp_path: Path,
    answer: Callable[[str], Iterable[bytes]],
    *,
    timeout: float = 60.0,
    cancel: threading.Event | None = None,
    budget: OutputBudget | None = None,
) -> Output:
    engine = Engine(tmp_path / "engine", answer)
    try:
        query = DockerQuery("networks", timeout=timeout)
        return DockerApi(engine.dial).query(
            query, CommandWait(timeout, cancel), budget.limit() if budget else None
        )
    finally:
        engine.end()


def test_an_answer_in_small_pieces_is_read(tmp_path: Path) -> None:
    assert json.loads(ask(tmp_path, pieces).stdout) == [{"Name": "bridge"}]


def test_of_environment_variables_only_the_names_are_read(tmp_path: Path) -> None:
    container = {"Config": {"Env": ["PATH", "PGPASSWORD", "EMPTY", "7"], "Cmd": ["Env"]}, "Env": None}
    assert json.loads(ask(tmp_path, with_environments).stdout) == [{"Spec": container}]


@pytest.mark.parametrize("answer", [dripping, silent])
def test_an_answer_that_takes_too_long_is_given_up(
    answer: Callable[[str], Iterable[bytes]], tmp_path: Path
) -> None:
    before = time.monotonic()
    with pytest.raises(FactUnavailable, match="no answer within 1 s"):
        ask(tmp_path, answer, timeout=1.0)
    assert time.monotonic() - before < deadline(4)


def test_an_interrupt_ends_the_wait_for_an_engine(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    before = time.monotonic()
    with pytest.raises(FactUnavailable, match="no answer before the interrupt"):
        ask(tmp_path, dripping, cancel=cancel)
    assert time.monotonic() - before < deadline(COMMAND_AFTER_INTERRUPT + 3)


@pytest.mark.parametrize("answer", [endless_body, bomb])
def test_an_answer_costs_no_more_memory_than_the_limit(
    answer: Callable[[str], Iterable[bytes]], tmp_path: Path
) -> None:
    compressed()  # by the server, whose memory does not count
    tracemalloc.start()
    try:
        with pytest.raises(FactError, match=r"too large|compressed"):
            ask(tmp_path, answer)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_the_answers_of_engines_count_for_the_run(tmp_path: Path) -> None:
    budget = OutputBudget(10**6, 100)
    with pytest.raises(FactError, match="cut: the output of the run exceeds 100 bytes"):
        ask(tmp_path, pieces, budget=budget)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (redirect, "a redirect"),
        (nested, "did not come from a Docker engine"),
        (no_version, "did not come from a Docker engine"),
        (other_version("auto"), "did not come from a Docker engine"),
        (other_version("1.44.1"), "did not come from a Docker engine"),
        (other_version("abc"), "did not come from a Docker engine"),
        (other_version(1.44), "did not come from a Docker engine"),
        (other_version(None), "did not come from a Docker engine"),
        (not_json, "did not come from a Docker engine"),
        (endless_head, "Docker engine"),
    ],
)
def test_what_is_not_an_engine_is_named(
    answer: Callable[[str], Iterable[bytes]], why: str, tmp_path: Path
) -> None:
    with pytest.raises(FactError, match=why):
        ask(tmp_path, answer)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (
            "503 Service Unavailable",
            b'{"message": "This node is not a swarm manager."}',
            "status 503: This node is not a swarm manager.",
        ),
        ("500 Internal Server Error", b"", "status 500: Internal Server Error"),
        ("400 Bad Request", b"<p>odd</p>", "status 400: <p>odd</p>"),
    ],
)
def test_an_engine_that_refuses_a_query_has_answered_and_its_reason_is_kept(
    status: str, body: bytes, why: str, tmp_path: Path
) -> None:
    def answer(path: str) -> Iterator[bytes]:
        yield answered(VERSION) if "version" in path else answered(body, status=status)

    with pytest.raises(FactUnavailable) as refused:
        ask(tmp_path, answer)
    assert refused.value.message == f"the Docker engine refused the query with {why}"
    assert "systemctl status" not in str(refused.value.hint)


def test_the_logins_of_this_machine_are_not_sent_to_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of ~/.docker, nor of ~/.netrc, nor a proxy's: the host's engine has its own."""
    auth = base64.b64encode(b"operator:never-on-a-host").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example.org": {"auth": auth}}}))
    (tmp_path / ".netrc").write_text("machine localhost login operator password never-on-a-host\n")
    (tmp_path / ".netrc").chmod(0o600)
    for name, value in {
        "DOCKER_CONFIG": str(tmp_path),
        "NETRC": str(tmp_path / ".netrc"),
        "HTTP_PROXY": "http://operator:never-on-a-host@127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)

    def answer(path: str) -> Iterator[bytes]:
        yield answered(VERSION if "version" in path else b'{"Descriptor": {"digest": "sha256:0"}}')

    engine = Engine(tmp_path / "engine.sock", answer)
    try:
        query = DockerQuery("inspect_distribution", ("registry.example.org/app:1",))
        assert DockerApi(engine.dial).query(query, CommandWait(deadline(60))).exit_code == 0
    finally:
        engine.end()
    asked = "".join(engine.requests)
    sent = re.search(r"(?im)^x-registry-auth: (\S+)", asked)
    assert sent
    assert base64.urlsafe_b64decode(sent[1]) == b"{}"
    assert "authorization" not in asked.lower()
    assert "GET http:" not in asked
