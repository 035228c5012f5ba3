"""What cannot be read on a host is not taken for absent, or for clean: scripts of facts, run by a real shell."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.errors import FactError
from runbook_lib.facts.file import FileState
from runbook_lib.facts.networkd import NetdevFiles
from runbook_lib.facts.packages import PackageVersion
from runbook_lib.facts.redis_load import RedisPath
from runbook_lib.facts.redis_watch import RedisWatch
from runbook_lib.facts.registry import RegistryLog
from runbook_lib.model.commands import Command, Output

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.facts.base import Fact

LOCKED = "stat: cannot statx 'x': Permission denied"


def program(place: Path, name: str, script: str) -> None:
    (place / "bin").mkdir(exist_ok=True)
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def asked(place: Path, fact: Fact[Any], **paths: str) -> Output:
    """Send a fact's command, with other paths in its script."""
    command = fact.request()
    assert isinstance(command, Command)
    argv = list(command.argv)
    for before, after in paths.items():
        argv = [word.replace(before.replace("_", "/"), after) for word in argv]
    environment = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    return Output(done.returncode, done.stdout, done.stderr)


def test_a_file_that_may_not_be_looked_at_is_not_absent(tmp_path: Path) -> None:
    program(tmp_path, "stat", f'echo "{LOCKED}" >&2; exit 1')
    answer = asked(tmp_path, FileState(f"{tmp_path}/file"))
    assert (answer.exit_code, answer.stderr) == (1, f"{LOCKED}\n")


@pytest.mark.parametrize("name", ["missing", "missing/below", "file/below"])
def test_a_file_is_absent_if_nothing_is_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    fact = FileState(f"{tmp_path}/{name}")
    answer = asked(tmp_path, fact)
    assert answer.exit_code == 0
    assert not fact.parse(answer).exists


BROKEN = "error: cannot open Packages database in /var/lib/rpm\npackage bash is not installed"


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        ("package bash is not installed", 1, (0, "none\n", "")),
        (BROKEN, 1, (1, "", f"{BROKEN}\n")),
        ("installed 5.1-9.el9", 0, (0, "installed 5.1-9.el9\n", "")),
    ],
    ids=["not installed", "broken database", "installed"],
)
def test_only_rpms_own_no_is_one(
    tmp_path: Path, said: str, code: int, expected: tuple[int, str, str]
) -> None:
    program(tmp_path, "rpm", f'echo "{said}"; exit {code}')
    command = PackageVersion("bash").request()
    assert isinstance(command, Command)
    argv = [word.replace("dpkg-query >/dev/null", "no-dpkg-here >/dev/null") for word in command.argv]
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_a_netdev_file_is_found_or_its_error_is(tmp_path: Path) -> None:
    fact = NetdevFiles("br0")
    assert fact.request().sudo
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "br0.netdev").write_text("[NetDev]\nName = br0\nKind=bridge\n", encoding="utf-8")
    (folder / "br1.netdev").write_text("[NetDev]\nName=br1\n", encoding="utf-8")
    place = {"_etc_systemd_network": str(folder)}
    assert fact.parse(asked(tmp_path, fact, **place)) == (f"{folder}/br0.netdev",)
    program(tmp_path, "grep", "echo 'grep: br0.netdev: Permission denied' >&2; exit 2")
    assert asked(tmp_path, fact, **place).exit_code == 1


@pytest.mark.parametrize(
    ("systemctl", "journal", "expected"),
    [
        ("exit 1", "", None),
        ("echo", "", "registry.not-started"),
        ("echo 4711", "", "registry.no-log"),
        ("echo 4711", "exit 1", None),
        ("echo 4711", 'echo "level=info msg=\\"listening on [::]:5000\\""', ""),
    ],
    ids=["no bus", "never started", "no journal", "journal not readable", "started"],
)
def test_a_log_that_was_not_read_is_not_clean(
    tmp_path: Path, systemctl: str, journal: str, expected: str | None
) -> None:
    program(tmp_path, "systemctl", systemctl)
    program(tmp_path, "journalctl", journal)
    fact = RegistryLog("docker-registry.service")
    answer = asked(tmp_path, fact)
    assert (answer.exit_code != 0) == (expected is None)
    if expected is not None:
        assert [failure.id for failure in fact.parse(answer)] == ([expected] if expected else [])


def test_a_path_whose_client_stops_was_not_watched_to_the_end(tmp_path: Path) -> None:
    """What it saw until then says nothing of the rest, which would count as without an error."""
    program(tmp_path, "docker", "echo direct 10.00 10.02 0 PONG; exit 137")
    fact = RedisWatch((RedisPath("direct", "redis-client", "redis", 6379),), seconds=1)
    with pytest.raises(FactError, match="not asked to the end by the path direct: exit code 137"):
        fact.parse(asked(tmp_path, fact))
