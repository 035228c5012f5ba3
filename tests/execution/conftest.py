from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connections.conftest import server, session_server
from tests.execution.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Programs

__all__ = ["server", "session_server"]


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Project:
    return Project(tmp_path, tmp_path_factory.mktemp("t"), programs)
