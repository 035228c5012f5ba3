from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connections.conftest import server, session_server
from tests.execution.fleet.project import BOOKS, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Programs

__all__ = ["server", "session_server"]


@pytest.fixture
def project(tmp_path: Path, programs: Programs) -> Project:
    """Return a project whose runbooks look at two hosts, which are both this machine."""
    made = Project(tmp_path, programs)
    for name in BOOKS:
        made.write(name)
    made.hosts(host_a={"connection": "local"}, host_b={"connection": "local"})
    return made


@pytest.fixture
def hold(project: Project) -> Iterator[Path]:
    """A file that holds up what a runbook does with `Held` or `held_by` until the test removes the file."""
    path = project.place / "hold"
    path.touch()
    yield path
    path.unlink(missing_ok=True)
