"""Connections to a name with several addresses."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.connections.tcp_socket import connect_to_any

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which 127.0.0.1 accepts connections, and 127.0.0.2 drops packets, as its queue is full."""
    with contextlib.ExitStack() as sockets:
        listens = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.2", listens.getsockname()[1]))
        full.listen(0)
        for _ in range(4):
            waits = sockets.enter_context(socket.socket())
            waits.setblocking(False)  # noqa: FBT003 - socket's
            waits.connect_ex(full.getsockname())
        yield listens.getsockname()[1]


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let two.example.org have some addresses, as no name on this machine has."""
    real = socket.getaddrinfo

    def found(name: str, *given: Any) -> list[Any]:  # noqa: ANN401 - socket's
        assert name == "two.example.org"
        return [real(address, *given)[0] for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize("first", ["127.0.0.2", "127.0.0.3"])  # drops packets; refuses the connection
def test_the_next_address_is_tried(first: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, first, "127.0.0.1")
    with connect_to_any("two.example.org", port, 2.0) as opened:
        assert opened.getpeername()[0] == "127.0.0.1"


def test_the_problem_of_the_last_address_is_raised(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "127.0.0.2", "127.0.0.3")
    with pytest.raises(ConnectionRefusedError):
        connect_to_any("two.example.org", port, 1.0)


def test_a_connection_comes_from_the_given_address(port: int) -> None:
    with connect_to_any("127.0.0.1", port, 5.0, source="127.0.0.9") as opened:
        assert opened.getsockname()[0] == "127.0.0.9"
