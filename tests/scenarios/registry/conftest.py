from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import CONTAINERS
from tests.scenarios.registry.practice import RegistryPractice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from tests.programs import Programs


@pytest.fixture(scope="module")
def store_lab(fresh_lab: Lab) -> Lab:
    """Return the lab with freshly installed hosts, and an object store."""
    fresh_lab.up(CONTAINERS, store=True)
    return fresh_lab


@pytest.fixture
def practice(store_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[RegistryPractice]:
    yield RegistryPractice(store_lab, tmp_path, programs)
    store_lab.faults.repair()
