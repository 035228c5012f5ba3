from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import CONTAINERS
from tests.programs import Programs
from tests.scenarios.registry.practice import RegistryPractice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab


@pytest.fixture(scope="module")
def store_lab(fresh_lab: Lab) -> Lab:
    """Return the lab with freshly installed hosts, and an object store."""
    fresh_lab.up(CONTAINERS, store=True)
    return fresh_lab


@pytest.fixture
def practice(store_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[RegistryPractice]:
    store_lab.up(CONTAINERS)  # as in the scenarios' own fixture
    store_lab.faults.repair()
    yield RegistryPractice(store_lab, tmp_path, programs)
    store_lab.faults.repair()


@pytest.fixture(scope="module")
def registry_lab(store_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return the lab with a registry that works."""
    practice = RegistryPractice(store_lab, tmp_path_factory.mktemp("registry"), Programs())
    done = practice.run("20_docker_install")
    assert done.returncode == 0, done.stdout + done.stderr
    done = practice.registry()
    assert done.returncode == 0, done.stdout + done.stderr
    return store_lab


@pytest.fixture
def registry(registry_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[RegistryPractice]:
    practice = RegistryPractice(registry_lab, tmp_path, programs)
    yield practice
    registry_lab.up(CONTAINERS)  # the store, if a test has stopped it
    done = practice.registry()
    assert done.returncode == 0, done.stdout + done.stderr
