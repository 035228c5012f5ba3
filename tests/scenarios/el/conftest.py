from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runbook_lib import system_requirements
from tests.scenarios.el.host import ElHost
from tests.scenarios.el.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    missing = system_requirements.missing("el")
    if missing or os.geteuid():
        reason = f"needs root and {', '.join(program.name for program in missing) or 'no other programs'}"
        if "el" in os.environ.get("RUNBOOK_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    made = Repository.make(tmp_path_factory.mktemp("repository") / "el")
    yield made
    made.end()


@pytest.fixture
def host(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElHost]:
    made = ElHost.make(tmp_path_factory.mktemp("host") / "el", repository.directory)
    yield made
    made.end()
