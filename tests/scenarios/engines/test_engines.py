"""The whole chapter on each Docker engine that practice hosts can install: `make test-engines` prints the table."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runbook_lib.cli.demo import CHAPTER
from runbook_lib.facts.docker_engine import EngineInfo
from runbook_lib.lab.system.debian_releases import RELEASES
from runbook_lib.lab.testing import CONTAINERS, reason_to_skip, running_lab
from runbook_lib.model.status import Status
from tests.aftermath import AFTERMATH
from tests.books.docker.book_page import shown
from tests.lab_names import lab_name
from tests.scenarios.engines.engines_table import Row, note
from tests.scenarios.registry.practice import RUNBOOK as REGISTRY_ON_S3
from tests.scenarios.registry.practice import RegistryPractice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Programs

pytestmark = [pytest.mark.lab, pytest.mark.engines]

INSTALL, LOAD = "20_docker_install", "70_path_load"
IMAGE_STORE = {"features": {"containerd-snapshotter": True}}
"""The image store that engines from 29 on have by default, and 28 on demand."""
ENGINES: dict[str, tuple[str, int, dict[str, Any]]] = {
    f"{release.name} {engine}": (release.name, engine, {})
    for release in RELEASES
    for engine in release.engines
}
ENGINES["debian-13 28 with the image store of 29"] = ("debian-13", 28, IMAGE_STORE)
_DESCRIBE = (
    ". /etc/os-release; "
    'echo "Debian $VERSION_ID, kernel $(uname -r | cut -d. -f1,2), $(stat -fc %T /sys/fs/cgroup)"'
)
_CGROUPS = {"tmpfs": "cgroup v1", "cgroup2fs": "cgroup v2"}


@pytest.fixture(params=ENGINES)
def chosen(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def practice(chosen: str, tmp_path: Path, programs: Programs) -> Iterator[RegistryPractice]:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    release, engine, _ = ENGINES[chosen]
    name = lab_name("engines")
    with AFTERMATH.lab(name), running_lab(name, CONTAINERS, release=release, engine=engine) as lab:
        lab.up(CONTAINERS, store=True)
        yield RegistryPractice(lab, tmp_path, programs)


@pytest.mark.timeout(1800)
def test_the_whole_chapter_passes(
    chosen: str, practice: RegistryPractice, request: pytest.FixtureRequest
) -> None:
    _, engine, options = ENGINES[chosen]
    books = [*CHAPTER, LOAD]
    run_all(practice, books, options)
    assert practice.statuses() == {Status.OK, Status.CHANGED}
    named = {(entry.notebook, entry.check) for entry in shown() if entry.notebook in _ran(books)}
    assert named - practice.checks_passed() == set()
    first = len(practice.records())
    run_all(practice, books, options)
    again = {
        host.status for record in practice.records()[first:] for step in record.steps for host in step.hosts
    }
    assert again == {Status.OK}
    for wiring in ("link", "network"):
        done = practice.run("40_ambassador_redis", "-p", "wiring", wiring)
        assert done.returncode == 0, done.stdout + done.stderr
    row = described(practice, options)
    assert row.engine.startswith(f"Docker {engine}.")
    note(row)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"\n{row.line}\n")


def _ran(books: list[str]) -> list[str]:
    return sorted([*books, REGISTRY_ON_S3])


def run_all(practice: RegistryPractice, books: list[str], options: dict[str, Any]) -> None:
    """Run the chapter; the options of the engine are those of one runbook only. Then the registry, and validate it."""
    at = books.index(INSTALL)
    for part in (books[:at], [INSTALL], books[at + 1 :]):
        given = ("-p", "engine_options", json.dumps(options)) if part == [INSTALL] else ()
        done = practice.run(*part, *given)
        assert done.returncode == 0, done.stdout + done.stderr
    done = practice.registry()
    assert done.returncode == 0, done.stdout + done.stderr
    done = practice.run("90_validate", "-p", "also_validate", json.dumps([REGISTRY_ON_S3]))
    assert done.returncode == 0, done.stdout + done.stderr


def described(practice: RegistryPractice, options: dict[str, Any]) -> Row:
    """Return the table's row, from what the hosts say."""
    (info,) = {
        (facts["version"], facts["storage"])
        for record in practice.records()
        for step in record.steps
        for host in step.hosts
        if (facts := host.facts.get(EngineInfo().label))
    }
    version, storage = info
    host = practice.on("host-a", _DESCRIBE).strip()
    for kind, name in _CGROUPS.items():
        host = host.replace(kind, name)
    numbers = ", ".join(book[:2] for book in _ran([*CHAPTER, LOAD]))
    return Row(
        engine=f"Docker {version.partition('+')[0]}" + (", containerd's image store" if options else ""),
        host=f"practice host: {host}; {storage}",
        passed=f"{numbers}; again with nothing changed; 40 by network and by link",
    )
