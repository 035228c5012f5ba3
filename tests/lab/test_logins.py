"""Waiting for a host's login: an attempt that hangs is one more attempt that did not succeed."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.container import ContainerHost
from runbook_lib.lab.hosts.host import wait_for_login
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.lab.system.subprocesses import attempt, wait_for
from runbook_lib.lab.topology import Control, HostPlan, Interface, Topology
from tests.deadlines import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTROL = Control(vlan=101, address="192.168.7.254/20")
PLAN = HostPlan(name="host-s", kind="container", interfaces={"em1": Interface(vlan=101)})


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return the port of an SSH server that sends its banner, and not a word more."""
    accepted: list[socket.socket] = []

    def greet(server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the server has been shut down
            while True:
                accepted.append(server.accept()[0])
                with contextlib.suppress(OSError):  # the client has gone
                    accepted[-1].sendall(b"SSH-2.0-silent\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(target=greet, args=[server])
        greeter.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        greeter.join()
    for connection in accepted:
        connection.close()


def test_a_login_that_hangs_is_a_host_that_does_not_allow_one(tmp_path: Path, silent_port: int) -> None:
    @dataclass(frozen=True)
    class Here(LabPaths):
        run = tmp_path

    class Silent(ContainerHost):
        ssh_endpoint = SshEndpoint("127.0.0.1", silent_port)

        def running(self) -> bool:
            return True

    paths = Here("silent")
    paths.ssh.mkdir()
    text = f"Host {PLAN.name}\n  HostName 127.0.0.1\n  Port {silent_port}\n"
    (paths.ssh / "ssh_config").write_text(text, encoding="utf-8")
    host = Silent(paths, Topology(CONTROL, {PLAN.name: PLAN}, {}), PLAN)
    with pytest.raises(LabError, match="timed out after 1 s waiting for a login on host-s"):
        wait_for_login(paths, PLAN.name, host, 1)


def test_a_program_that_hangs_or_fails_is_attempted_again(tmp_path: Path) -> None:
    script = (
        'cd "$0"; echo >>calls; case $(wc -l <calls) in 1) exec sleep 600;; 2) exit 255;; *) echo in;; esac'
    )
    command = ["sh", "-c", script, str(tmp_path)]
    assert wait_for(lambda: attempt(command, deadline(1)), "a login", timeout=600) == "in\n"
    assert (tmp_path / "calls").read_text(encoding="utf-8").count("\n") >= 3
