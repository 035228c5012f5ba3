from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.connections import sshd
from tests.execution.fleet.project import BOOKS, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Programs


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    if sshd.program() is None:
        wanted = os.environ.get("RUNBOOK_REQUIRE", "").replace(",", " ").split()
        assert "sshd" not in wanted, "this machine is meant to have an SSH server"
        pytest.skip("no sshd on this machine: apt-get install openssh-server")
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(session_server: sshd.Server) -> sshd.Server:
    """Return the session's server, its known key the right one."""
    session_server.knows(session_server.place / "host")
    return session_server


@pytest.fixture
def project(tmp_path: Path, programs: Programs) -> Project:
    """Return a project whose runbooks look at two hosts, which are both this machine."""
    made = Project(tmp_path, programs)
    for name in BOOKS:
        made.write(name)
    made.hosts(host_a={"connection": "local"}, host_b={"connection": "local"})
    return made
