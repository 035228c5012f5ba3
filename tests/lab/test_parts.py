"""Parts of the lab that need neither root nor a network."""

from __future__ import annotations

import contextlib
import os
import socket
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.hosts.overlay import write_file
from runbook_lib.lab.hosts.seed_disk import SeedDisk
from runbook_lib.lab.ssh_endpoint import SshEndpoint
from runbook_lib.lab.system.apt_sources import AptSource, parse_targets
from runbook_lib.lab.system.build_cache import recipe_hash
from runbook_lib.lab.system.directories import make_private
from runbook_lib.lab.system.paths import LabPaths, locked
from runbook_lib.lab.system.subprocesses import listens, run, tail, wait_for
from tests.deadlines import deadline

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = """\
http://mirror.example/debian/|bookworm|main|Debian|bookworm
http://mirror.example/debian/|bookworm-updates|main|Debian|bookworm-updates
http://mirror.example/debian-security/|bookworm-security|main|Debian|bookworm-security
http://mirror.example/debian/|bookworm-backports|main|Debian Backports|bookworm-backports
http://mirror.example/debian/|bookworm|contrib|Debian|bookworm
http://third.example/apt/|bookworm|main|Third Party|bookworm
file:/srv/packages/|bookworm|main|Debian|bookworm
"""


def test_only_suites_of_debian_main_are_used() -> None:
    assert [source.line for source in parse_targets(TARGETS, "bookworm")] == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


def test_repositories_of_another_debian_release_are_used_with_suites_renamed() -> None:
    targets = "http://mirror.example/debian/|stable-security|main|Debian|trixie-security"
    assert parse_targets(targets, "bookworm") == [
        AptSource("http://mirror.example/debian/", "bookworm-security")
    ]


def test_the_package_cache_downloads_from_an_https_repository() -> None:
    source = AptSource("https://mirror.example/debian/", "bookworm")
    assert source.through_cache.uri == "http://HTTPS///mirror.example/debian/"
    assert source.endpoint == ("mirror.example", 443)
    assert AptSource("http://mirror.example:8080/debian/", "bookworm").endpoint == ("mirror.example", 8080)


def test_the_hash_changes_with_the_recipe() -> None:
    assert recipe_hash({"a": 1, "b": 2}) == recipe_hash({"b": 2, "a": 1})
    assert recipe_hash({"a": 1}) != recipe_hash({"a": 2})


@pytest.mark.parametrize("name", ["", "../etc", "Upper", "_packages", "a" * 32, "a/b"])
def test_an_invalid_lab_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a lab's name"):
        LabPaths(name)


def test_a_private_directory_is_its_owners_also_if_it_existed(tmp_path: Path) -> None:
    (tmp_path / "existing").mkdir(mode=0o755)
    for name in ("existing", "new/inner"):
        make_private(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="chown needs root")
def test_a_written_file_gets_directories_with_the_owners_of_the_lower_ones(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    (lower / "home/ops").mkdir(parents=True)
    os.chown(lower / "home/ops", 1000, 1000)
    (lower / "home/ops").chmod(0o700)
    upper.mkdir()
    write_file(lower, upper, "home/ops/.ssh/authorized_keys", "key\n", mode=0o600, owner=1000)
    status = {name: (upper / name).stat() for name in ("home", "home/ops", "home/ops/.ssh")}
    assert [(s.st_uid, s.st_mode & 0o777) for s in status.values()] == [
        (0, 0o755),
        (1000, 0o700),
        (1000, 0o700),
    ]
    assert (upper / "home/ops/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600


def test_a_lock_has_one_holder_and_its_file_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    order = []

    def wait_and_enter() -> None:
        with locked(lock):
            order.append("second")

    with locked(lock):
        with pytest.raises(LabError, match="another process"), locked(lock, wait=False):
            pass
        thread = threading.Thread(target=wait_and_enter)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert not lock.exists()


def test_a_lock_is_held_while_others_remove_its_directory(tmp_path: Path) -> None:
    """The last holder removes the empty directory, which the next one has found, or is about to make."""
    lock = tmp_path / "run" / "some.lock"
    held: list[int] = []
    inside: list[None] = []

    def hold_often() -> None:
        for _ in range(1500):
            with locked(lock):
                inside.append(None)
                held.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(hold_often) for _ in range(4)]:
            done.result()
    assert held == [1] * 6000
    assert not lock.parent.exists()


def test_a_private_directory_is_made_while_others_remove_its_empty_parents(tmp_path: Path) -> None:
    def make_often(name: str) -> None:
        for _ in range(1000):
            make_private(tmp_path / "data" / name)
            (tmp_path / "data" / name).rmdir()
            with contextlib.suppress(OSError):
                (tmp_path / "data").rmdir()

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(make_often, name) for name in "abcd"]:
            done.result()
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("parts", ["file", "file/below", "dangling", "dangling/below"])
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, parts: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "absent" / "target")
    with pytest.raises(LabError, match="lock file cannot be created"), locked(tmp_path / parts / "some.lock"):
        pass
    with pytest.raises(LabError, match="directory cannot be made"):
        make_private(tmp_path / parts)


def test_a_seed_disk_has_files_with_owners_and_whole_sectors(tmp_path: Path) -> None:
    seed = SeedDisk()
    seed.add_file("etc/hostname", "cloud\n")
    seed.add_file("home/ops/.ssh/authorized_keys", "key\n", mode=0o600, owner=1000)
    seed.write(tmp_path / "seed.tar")
    assert (tmp_path / "seed.tar").stat().st_size % 512 == 0
    assert (tmp_path / "seed.tar").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "seed.tar") as archive:
        found = {entry.name: (entry.mode, entry.uid) for entry in archive}
    assert found == {
        "etc/hostname": (0o644, 0),
        "home/ops/.ssh": (0o700, 1000),
        "home/ops/.ssh/authorized_keys": (0o600, 1000),
    }


@pytest.mark.parametrize("accepts", [True, False])
def test_a_service_that_accepts_no_connections_does_not_hold_up_who_asks(
    tmp_path: Path,
    accepts: bool,  # noqa: FBT001 - a case
) -> None:
    path = tmp_path / "socket"
    with contextlib.ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(1))
        server = stack.enter_context(socket.socket(socket.AF_UNIX))  # closed before the thread is waited for
        server.bind(str(path))
        server.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:  # until no more can wait to be accepted
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.settimeout(0)
                waiting.connect(str(path))
        asked = threads.submit(listens, path)
        if accepts:
            stack.enter_context(server.accept()[0])
        assert asked.result(deadline(60)) is accepts


def test_a_server_on_another_port_has_the_port_in_its_known_hosts_name() -> None:
    assert SshEndpoint("192.168.7.31").known_as == "192.168.7.31"
    assert SshEndpoint("127.0.0.1", 2222).known_as == "[127.0.0.1]:2222"
    assert not SshEndpoint("127.0.0.1", 1).sends_banner()


def test_a_slow_server_is_waited_for_where_that_is_asked_for() -> None:
    asked = threading.Event()

    def answer(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                asked.wait()
                with contextlib.suppress(OSError):  # the first one has given up
                    connection.sendall(b"SSH-2.0-slow\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        slow = threading.Thread(target=answer, args=[server], daemon=True)
        slow.start()
        endpoint = SshEndpoint("127.0.0.1", server.getsockname()[1])
        assert not endpoint.sends_banner(within=0.1)
        threading.Timer(0.3, asked.set).start()
        assert endpoint.sends_banner(within=60)
        slow.join()


def test_a_failing_program_is_reported_with_its_output() -> None:
    with pytest.raises(LabError, match=r"could not try it: sh exited with code 3: no luck"):
        run("sh", "-c", "echo no luck >&2; exit 3", what="try it")
    with pytest.raises(LabError, match=r"program 'no-such-program' not found"):
        run("no-such-program", what="try it")
    with pytest.raises(LabError, match=r"did not exit within 0.1 s"):
        run("sleep", "5", what="wait", timeout=0.1)


def test_a_timeout_shows_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("one\n\x1b[31mtwo\x1b[0m\n", encoding="utf-8")
    assert tail(log).startswith("one | ")
    with pytest.raises(LabError, match=r"timed out after 0.1 s waiting for the host(?s:.*)two"):
        wait_for(lambda: None, "the host", timeout=0.1, log=log)
