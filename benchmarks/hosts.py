"""Hosts for the benchmark: loopback addresses of this machine behind OpenSSH servers."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.clock import process_tree
from benchmarks.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Hosts", "loopback"]

_START_TIMEOUT = 10.0  # seconds
_ADDRESSES_PER_SERVER = 16  # an sshd listens on at most this many
_CONFIGURATION = """\
{listen}
HostKey {place}/host
AuthorizedKeysFile {place}/client.pub
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
LogLevel ERROR
MaxStartups 1000
MaxSessions 100
"""


@dataclass(frozen=True)
class Hosts:
    """Hosts that are all this machine, reached with one key.

    Args:
        addresses: One per host.
        port: The same on all of them.
        user: The user who runs the benchmark.
        key: The client's private key.
        known_hosts: File with the host keys of all of them.
    """

    addresses: tuple[str, ...]
    port: int
    user: str
    key: Path
    known_hosts: Path


@contextlib.contextmanager
def loopback(count: int) -> Iterator[Hosts]:
    """Serve SSH on `count` loopback addresses during the block.

    Raises:
        RuntimeError: sshd is not installed, or does not start.
    """
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if sshd is None:
        raise RuntimeError("sshd is not installed: apt-get install openssh-server")
    addresses = tuple(f"127.{1 + n // 62500}.{1 + n // 250 % 250}.{1 + n % 250}" for n in range(count))
    with (
        tempfile.TemporaryDirectory(prefix="runbook-benchmark-sshd-") as directory,
        reserved_port() as port,
        contextlib.ExitStack() as stack,
    ):
        place = Path(directory)
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        hosts = Hosts(addresses, port, _user(), place / "client", place / "known_hosts")
        public = " ".join((place / "host.pub").read_text(encoding="ascii").split()[:2])
        hosts.known_hosts.write_text("".join(f"[{a}]:{port} {public}\n" for a in addresses), encoding="ascii")
        for first in range(0, count, _ADDRESSES_PER_SERVER):
            stack.enter_context(_server(sshd, place, addresses[first : first + _ADDRESSES_PER_SERVER], port))
        yield hosts


@contextlib.contextmanager
def _server(sshd: str, place: Path, addresses: tuple[str, ...], port: int) -> Iterator[None]:
    configuration = place / f"sshd-{addresses[0]}"
    listen = "\n".join(f"ListenAddress {address}:{port}" for address in addresses)
    configuration.write_text(_CONFIGURATION.format(listen=listen, place=place), encoding="ascii")
    command = [sshd, "-D", "-f", str(configuration)]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = _with_light_shell(place, command)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while not _listens(addresses[-1], port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sshd does not listen on {addresses[-1]}:{port}")
            time.sleep(0.02)
        yield
    finally:
        # Sessions too: Ansible keeps its connections for a minute.
        for session in process_tree(process.pid):
            with contextlib.suppress(psutil.Error):
                session.terminate()
        process.wait()


def _with_light_shell(place: Path, command: list[str]) -> list[str]:
    """Return the command in a mount namespace in which the user's login shell is `sh`."""
    passwd = place / "passwd"
    if not passwd.exists():
        lines = Path("/etc/passwd").read_text(encoding="utf-8").splitlines(keepends=True)
        light = [
            f"{line.rpartition(':')[0]}:/bin/sh\n" if line.startswith(f"{_user()}:") else line
            for line in lines
        ]
        passwd.write_text("".join(light), encoding="utf-8")
    script = f'mount --bind {passwd} /etc/passwd && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *command]


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
