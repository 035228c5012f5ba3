"""The package cache that labs share: it stays while any lab may use it, and is started again if it crashes."""

from __future__ import annotations

import os
import re
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.hosts.host_files import identity_files
from runbook_lib.lab.services.package_cache import cache_socket, service_name, start_cache, stop_unused_cache
from runbook_lib.lab.system.cgroups import Cgroup
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.lab.system.subprocesses import listens, start_detached
from runbook_lib.lab.topology_file import load_topology
from tests.deadlines import wait_until
from tests.lab_names import lab_name
from tests.process_files import process_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a package cache of the test's own, which is running."""
    monkeypatch.setenv("RUNBOOK_CACHE", str(tmp_path))
    name = service_name()
    start_cache(name, "bookworm")
    yield name
    stop_unused_cache(name)
    assert not Cgroup(name).existing()


@pytest.mark.parametrize("text", ['{"version": 2, "name": "other"}', "{", ""])
def test_a_lab_whose_state_cannot_be_read_uses_the_cache_as_long_as_its_relay_runs(
    service: str, text: str
) -> None:
    """Such as a lab of another version of the library, which another working copy has started."""
    name = lab_name("packages")
    group, other = Cgroup(name), LabPaths(name)
    other.run.mkdir(parents=True)
    try:
        other.state.write_text(text, encoding="utf-8")
        start_detached(
            "sh",
            "-c",
            "sleep 600; :",
            str(cache_socket(service)),
            cgroups=group.create(),
            log=other.run / "log",
        )
        stop_unused_cache(service)
        assert listens(cache_socket(service))
        group.kill()
        stop_unused_cache(service)
        assert not listens(cache_socket(service))
    finally:
        group.kill()
        group.remove()
        shutil.rmtree(other.run)


def test_a_cache_that_has_crashed_is_started_again(service: str) -> None:
    def running() -> int | None:
        for pid in Cgroup(service).processes():
            if process_file(pid, "comm").strip() == "apt-cacher-ng":
                return pid
        return None

    first = wait_until(running, "the package cache")
    os.kill(first, signal.SIGSEGV)
    wait_until(
        lambda: (running() not in {None, first} and listens(cache_socket(service))) or None, "a new one"
    )


def test_apt_waits_longer_than_the_cache_waits_for_a_silent_mirror(service: str) -> None:
    """So that it hears of the mirror, and does not ask again while the cache still waits."""
    topology = load_topology()
    host = next(iter(topology.hosts.values()))
    apt = identity_files(topology, host)["etc/apt/apt.conf.d/90lab"]
    cache = (cache_socket(service).parent / "acng.conf").read_text(encoding="utf-8")
    (of_apt,) = re.findall(r'^Acquire::http::Timeout "(\d+)";$', apt, re.MULTILINE)
    (of_cache,) = re.findall(r"^NetworkTimeout: (\d+)$", cache, re.MULTILINE)
    assert int(of_apt) > int(of_cache)


def test_no_other_user_can_read_its_configuration_which_may_have_the_password_of_a_proxy(
    service: str,
) -> None:
    assert cache_socket(service).parent.stat().st_mode & 0o077 == 0
