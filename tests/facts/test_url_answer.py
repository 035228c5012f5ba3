"""What a host's own curl is asked: the server at the address, by the given authorities, whatever else is set there."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from runbook_lib.facts.url import UrlAnswer
from runbook_lib.model.commands import Command, Output
from tests.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.facts.url import UrlAnswered


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def public(tmp_path: Path) -> Authority:
    """The authority of the server's certificate."""
    authority = Authority("Some public authority")
    authority.write(tmp_path, "site", "site.example")
    return authority


@pytest.fixture(params=["http", "https"])
def url(request: pytest.FixtureRequest, public: Authority, tmp_path: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        if request.param == "https":
            assert public
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tmp_path / "site.pem", tmp_path / "site.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{request.param}://site.example:{server.server_port}/"
        server.shutdown()


def ask(fact: UrlAnswer, **environment: str) -> UrlAnswered:
    asked = fact.request()
    assert isinstance(asked, Command)
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed on this machine")
    done = subprocess.run(
        asked.argv,
        input=asked.stdin or "",
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    return fact.parse(Output(done.returncode, done.stdout, done.stderr))


def test_neither_a_curlrc_nor_a_proxy_counts(url: str, public: Authority, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("output = /dev/null\nproxy = 127.0.0.1:1\n")
    proxy = {f"{name}_proxy": "http://127.0.0.1:1" for name in ("http", "https", "all")}
    fact = UrlAnswer(f"{url}?q={{a,b}}[1]", asked_from="host", authorities=public.pem)
    answered = ask(fact, HOME=str(tmp_path), **proxy)
    assert (answered.status, answered.body) == (200, "/?q={a,b}[1]")


@pytest.mark.parametrize("url", ["https"], indirect=True)
def test_only_the_given_authorities_are_trusted(url: str, public: Authority, tmp_path: Path) -> None:
    """Whatever the host itself trusts: its directory of authorities, and an `insecure` in ~/.curlrc."""
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (trusted / "public.pem").write_text(public.pem)
    subprocess.run(["openssl", "rehash", str(trusted)], check=True)
    (tmp_path / ".curlrc").write_text("insecure\n")
    host = {"HOME": str(tmp_path), "SSL_CERT_DIR": str(trusted)}
    assert ask(UrlAnswer(url, asked_from="host", authorities=public.pem), **host).status == 200
    other = ask(UrlAnswer(url, asked_from="host", authorities=Authority("Our own authority").pem), **host)
    assert other.status is None
    assert "certificate" in other.problem
