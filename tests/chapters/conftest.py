from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chapters.project import BOOKS, Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose runbooks look at two hosts, which are both this machine."""
    made = Project(tmp_path)
    for name in BOOKS:
        made.write(name)
    made.hosts(host_a={"connection": "local"}, host_b={"connection": "local"})
    return made
