"""Parts of the lab that need neither root nor a network."""

from __future__ import annotations

import os
import tarfile
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import InputError, LabError
from runbook_lib.lab.hosts.overlay import place
from runbook_lib.lab.hosts.seed_disk import Seed
from runbook_lib.lab.ssh_endpoint import Reach
from runbook_lib.lab.system.apt_sources import AptSource, parse_targets
from runbook_lib.lab.system.build_cache import recipe_hash
from runbook_lib.lab.system.paths import Places, locked
from runbook_lib.lab.system.subprocesses import run, tail, wait_for

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


def test_only_debians_own_main_suites_are_taken() -> None:
    assert [source.line for source in parse_targets(TARGETS, "bookworm")] == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


def test_another_release_of_debian_gives_its_repositories() -> None:
    targets = "http://mirror.example/debian/|stable-security|main|Debian|trixie-security"
    assert parse_targets(targets, "bookworm") == [
        AptSource("http://mirror.example/debian/", "bookworm-security")
    ]


def test_an_encrypted_repository_is_fetched_by_the_cache() -> None:
    source = AptSource("https://mirror.example/debian/", "bookworm")
    assert source.through_cache.uri == "http://HTTPS///mirror.example/debian/"
    assert source.endpoint == ("mirror.example", 443)
    assert AptSource("http://mirror.example:8080/debian/", "bookworm").endpoint == ("mirror.example", 8080)


def test_a_recipe_changes_its_hash() -> None:
    assert recipe_hash({"a": 1, "b": 2}) == recipe_hash({"b": 2, "a": 1})
    assert recipe_hash({"a": 1}) != recipe_hash({"a": 2})


@pytest.mark.parametrize("name", ["", "../etc", "Upper", "_packages", "a" * 32, "a/b"])
def test_a_name_that_could_not_be_a_directory_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a lab"):
        Places(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: needs root")
def test_a_placed_file_keeps_the_owner_of_directories_below(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    (lower / "home/ops").mkdir(parents=True)
    os.chown(lower / "home/ops", 1000, 1000)
    (lower / "home/ops").chmod(0o700)
    upper.mkdir()
    place(lower, upper, "home/ops/.ssh/authorized_keys", "key\n", mode=0o600, owner=1000)
    status = {name: (upper / name).stat() for name in ("home", "home/ops", "home/ops/.ssh")}
    assert [(s.st_uid, s.st_mode & 0o777) for s in status.values()] == [
        (0, 0o755),
        (1000, 0o700),
        (1000, 0o700),
    ]
    assert (upper / "home/ops/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600


def test_a_lock_is_held_by_one_and_leaves_no_file(tmp_path: Path) -> None:
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


def test_a_seed_holds_files_with_their_owners_in_whole_sectors(tmp_path: Path) -> None:
    seed = Seed()
    seed.place("etc/hostname", "cloud\n")
    seed.place("home/ops/.ssh/authorized_keys", "key\n", mode=0o600, owner=1000)
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


def test_a_server_on_another_port_is_known_by_it() -> None:
    assert Reach("192.168.7.31").known_as == "192.168.7.31"
    assert Reach("127.0.0.1", 2222).known_as == "[127.0.0.1]:2222"
    assert not Reach("127.0.0.1", 1).greets()


def test_a_failing_program_is_shown_with_what_it_said() -> None:
    with pytest.raises(LabError, match=r"could not try it: sh ended with 3: no luck"):
        run("sh", "-c", "echo no luck >&2; exit 3", what="try it")
    with pytest.raises(LabError, match=r"no program 'no-such-program'"):
        run("no-such-program", what="try it")
    with pytest.raises(LabError, match=r"did not end within 0.1 s"):
        run("sleep", "5", what="wait", timeout=0.1)


def test_waiting_ends_with_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("one\n\x1b[31mtwo\x1b[0m\n", encoding="utf-8")
    assert tail(log).startswith("one | ")
    with pytest.raises(LabError, match=r"the host did not come within 0.1 s(?s:.*)two"):
        wait_for(lambda: None, "the host", timeout=0.1, log=log)
