"""Queries that this machine makes over the network, against real servers on it."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.errors import Interrupted, StepFailed
from runbook_lib.facts.tls import TlsHandshake
from runbook_lib.operations import ports, tls, url
from tests.certificates import Authority
from tests.runbook.practice import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.model.records import HostRecord
    from runbook_lib.operations.base import Operation

NAME = "www.example.org"


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"asked for {self.headers['Host']}{self.path}\n".encode()
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A web server on a free port of this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, another.pem (of another authority), site.pem and site.key."""
    made = tmp_path_factory.mktemp("certificates")
    authority = Authority("Example authority")
    authority.write(made, "site", NAME)
    (made / "ca.pem").write_text(authority.pem, encoding="ascii")
    (made / "another.pem").write_text(Authority("Another authority").pem, encoding="ascii")
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key")
    with serving(context) as number:
        yield number


def carry_out(operation: Operation, folder: Path) -> HostRecord:
    """The record of a probe on this machine."""
    book = Runbook.open(parameters(folder))
    with contextlib.suppress(StepFailed):
        book.step("Ask", operation)
        book.close()
    return book.record.steps[0].hosts[0]


def test_a_handshake_from_here_is_a_recorded_query(folder: Path, port: int, tmp_path: Path) -> None:
    operation = tls.served(
        NAME, port=port, issued_by=folder / "ca.pem", certificate=folder / "site.pem", wait=0
    )
    record = carry_out(operation, tmp_path)
    assert (record.status, record.message) == ("ok", "")
    (command,) = record.commands
    assert command.text.startswith(f"from-this-machine tls 127.0.0.1:{port} --name {NAME} --trust sha256:")
    assert (command.kind, command.exit_code) == ("fact", 0)
    assert "BEGIN CERTIFICATE" in command.stdout.head


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((NAME, "another.pem"), "unable to get local issuer certificate: issued by CN=Example authority"),
        (("other.example.org", "ca.pem"), "other.example.org"),
    ],
)
def test_a_certificate_that_is_not_valid_is_shown_and_fails(
    folder: Path, port: int, tmp_path: Path, given: tuple[str, str], expected: str
) -> None:
    operation = tls.served(given[0], port=port, issued_by=folder / given[1], wait=0)
    record = carry_out(operation, tmp_path)
    assert record.status == "failed"
    assert expected in record.message
    (value,) = record.facts.values()
    assert value["names"] == [NAME]


def test_another_certificate_fails_by_its_fingerprint(folder: Path, port: int, tmp_path: Path) -> None:
    record = carry_out(tls.served(NAME, port=port, fingerprint="ab" * 32, wait=0), tmp_path)
    assert (record.status, [check.id for check in record.checks]) == ("failed", ["tls.certificate"])
    good = tls.served(NAME, port=port, certificate=folder / "site.pem", issued_by=folder / "ca.pem").sha256
    record = carry_out(tls.served(NAME, port=port, fingerprint=good.upper(), wait=0), tmp_path)
    assert record.status == "ok"


def test_a_url_is_asked_for_by_its_name_at_the_hosts_address(folder: Path, port: int, tmp_path: Path) -> None:
    address = f"https://{NAME}:{port}"
    operation = url.answers(
        f"{address}/health", contains=f"{NAME}:{port}/health", authorities=folder / "ca.pem", wait=0
    )
    record = carry_out(operation, tmp_path)
    assert (record.status, record.message) == ("ok", "")
    record = carry_out(url.answers(f"{address}/", authorities=folder / "ca.pem", wait=0), tmp_path)
    assert (record.status, record.checks[0].observed) == ("failed", "404")
    record = carry_out(url.answers(f"{address}/health", wait=0), tmp_path)
    assert "certificate verify failed" in record.checks[0].observed


def test_a_plain_url_and_a_port_answer(tmp_path: Path) -> None:
    with serving() as number:
        assert carry_out(url.answers(f"http://localhost:{number}/health", wait=0), tmp_path).status == "ok"
        for place in ("here", "host"):
            assert carry_out(ports.answer(number, asked_from=place, wait=0), tmp_path).status == "ok"


@pytest.mark.parametrize("place", ["here", "host"])
def test_a_closed_port_fails_with_the_reason(tmp_path: Path, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    record = carry_out(ports.Answer(closed, asked_from=place, wait=0), tmp_path)  # type: ignore[arg-type]
    assert record.status == "failed"
    assert "refused" in record.message


def test_a_server_that_does_not_speak_tls_is_no_handshake(tmp_path: Path, folder: Path) -> None:
    with serving() as number:
        record = carry_out(tls.served(NAME, port=number, issued_by=folder / "ca.pem", wait=0), tmp_path)
    assert record.status == "failed"
    assert "no handshake" in record.message


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_says_nothing_is_no_handshake(silent: int, tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    record = book.facts("Handshake", TlsHandshake(silent, NAME, timeout=1)).hosts[0]
    book.close()
    (value,) = record.facts.values()
    assert value["verification"].startswith("no handshake")


def test_ctrl_c_ends_a_query_as_it_ends_a_command(silent: int, tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path))
    timer = threading.Timer(0.5, book.interrupt)
    timer.start()
    with pytest.raises(Interrupted):
        book.facts("Handshake", TlsHandshake(silent, NAME, timeout=60))
    timer.join()
    assert book.record.steps[0].hosts[0].status == "interrupted"


def test_the_deadline_of_a_step_ends_a_query(silent: int, tmp_path: Path) -> None:
    book = Runbook.open(parameters(tmp_path, step_timeout=1.0))
    with pytest.raises(StepFailed, match="step_timeout of 1 s"):
        book.facts("Handshake", TlsHandshake(silent, NAME, timeout=60))
