from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.connections import sshd
from tests.connections.accounts import ASKS, NO_PASSWORD, account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.connections.accounts import Account


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    if sshd.program() is None:
        wanted = os.environ.get("RUNBOOK_REQUIRE", "").replace(",", " ").split()
        assert "sshd" not in wanted, (
            "this machine is meant to have an SSH server: apt-get install openssh-server"
        )
        pytest.skip("no sshd on this machine: apt-get install openssh-server")
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(session_server: sshd.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    """Return the session's server, with a known_hosts of the test's own that has its key."""
    with session_server.with_known_hosts(tmp_path_factory.mktemp("known")) as known:
        yield known


@pytest.fixture(scope="module")
def passwordless() -> Iterator[Account]:
    """An account that may run anything by sudo without a password."""
    with account(rule=NO_PASSWORD) as who:
        yield who


@pytest.fixture(scope="module")
def asking() -> Iterator[Account]:
    """An account that sudo asks for its password."""
    with account(rule=ASKS) as who:
        yield who
