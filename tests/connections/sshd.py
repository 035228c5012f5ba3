"""A real SSH server on 127.0.0.1, with keys of its own, for as long as a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.ports import reserved_port
from runbook_lib.host_settings import Host
from tests.deadlines import deadline, wait_until
from tests.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Server", "program", "running"]


def program() -> str | None:
    """Return where sshd is; also where a user's search path may not find it."""
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin")


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@dataclass
class Server:
    """An sshd, its keys and a client's key that it lets in."""

    place: Path
    port: int
    process: subprocess.Popen[str] | None = None
    hostname: str = ""
    sudoers: Path | None = None
    programs: Programs = field(default_factory=Programs)
    known_hosts: Path = field(init=False)

    def __post_init__(self) -> None:
        self.known_hosts = self.place / "known_hosts"

    @property
    def client_key(self) -> Path:
        return self.place / "client"

    @property
    def name_in_known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port}"

    def knows(self, key: Path) -> None:
        """Make this public key the server's entry in the client's known_hosts."""
        public = " ".join(key.with_suffix(".pub").read_text(encoding="ascii").split()[:2])
        self.known_hosts.write_text(f"{self.name_in_known_hosts} {public}\n", encoding="ascii")

    @contextlib.contextmanager
    def with_known_hosts(self, directory: Path) -> Iterator[Server]:
        """Use another known_hosts during the block, so that what a test writes into it ends with the test."""
        usual, self.known_hosts = self.known_hosts, directory / "known_hosts"
        self.knows(self.place / "host")
        try:
            yield self
        finally:
            self.known_hosts = usual

    def host(self, **given: Any) -> Host:  # noqa: ANN401 - any field of a host
        """Return the inventory's host for this server."""
        fields = {
            "name": "host-a",
            "address": "127.0.0.1",
            "port": self.port,
            "identity_file": str(self.client_key),
            "known_hosts": str(self.known_hosts),
            "connect_timeout": deadline(5.0),
        }
        return Host.model_validate({**fields, **given})

    def start(self) -> None:
        sshd = program()
        assert sshd
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = [sshd, "-D", "-E", str(self.place / "sshd.log"), "-f", str(self.place / "sshd_config")]
        if self.hostname:
            command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.hostname, *command]
        if self.sudoers:
            mount = 'mount --bind "$0" /etc/sudoers.d && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", mount, str(self.sudoers), *command]
        self.process = self.programs.start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process = self.process

        def listens() -> bool:
            assert process.poll() is None, (self.place / "sshd.log").read_text(encoding="utf-8")
            return self._listens()

        wait_until(listens, "an sshd that listens")

    @property
    def mount_namespace(self) -> Path:
        """The file of the namespace in which `sudoers` is /etc/sudoers.d."""
        assert self.process
        return Path(f"/proc/{self.process.pid}/ns/mnt")

    def children(self) -> list[int]:
        """The sessions' processes, and all they started."""
        assert self.process
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # of the others, those that exit meanwhile are left out
            return [process.pid for process in psutil.Process(self.process.pid).children(recursive=True)]
        return []

    def cut(self) -> None:
        """Kill every session at once; the server itself keeps running."""
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the server and its sessions."""
        if self.process is None:
            return
        sessions: list[int] = []
        try:
            sessions = self.children()
        finally:
            self.process.kill()
            self.process.wait(timeout=deadline(10))
            for pid in sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def running(
    place: Path,
    config: str = "",
    hostname: str = "",
    sudoers: Path | None = None,
    *,
    empty_home: bool = True,
) -> Iterator[Server]:
    """Make keys and a configuration, start sshd, and end it whatever happens.

    Args:
        place: The server's directory, made if it is missing.
        config: More lines for sshd_config.
        hostname: Run the server in a UTS namespace of its own, where the machine has this name.
        sudoers: Run the server in a mount namespace of its own, where this directory is /etc/sudoers.d.
        empty_home: Give sessions an empty home directory: what the files of the user who tests start with each
            command is slow, differs from machine to machine, and has once waited for a lock.
    """
    place.mkdir(exist_ok=True)
    with (
        reserved_port() as port,
        _running(Server(place, port, hostname=hostname, sudoers=sudoers), config, empty_home) as server,
    ):
        yield server


@contextlib.contextmanager
def _running(server: Server, config: str, empty_home: bool) -> Iterator[Server]:  # noqa: FBT001 - as running()
    place, home = server.place, server.place / "home"
    home.mkdir(exist_ok=True)
    host_key = make_key(place / "host")
    make_key(server.client_key)
    server.knows(host_key)
    authorized = place / "authorized_keys"
    shutil.copy(server.client_key.with_suffix(".pub"), authorized)
    authorized.chmod(0o644)  # read by sshd as the user who logs in
    (place / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{server.port}\n"
        f"HostKey {host_key}\n"
        f"AuthorizedKeysFile {authorized}\n"
        f"PidFile {place / 'sshd.pid'}\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nLogLevel VERBOSE\nMaxStartups 100:30:200\n"
        + (f"SetEnv HOME={home}\n" if empty_home else "")
        + config,
        encoding="ascii",
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.programs.end()
