from __future__ import annotations

import os

import pytest

from tests.child_pytest import WITHOUT_UNUSED_PLUGINS
from tests.connections.conftest import session_server
from tests.pytest_plugin.practice import TOP, Project

__all__ = ["project", "session_server"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose two hosts are this machine, all its files right."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(TOP), os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_UNUSED_PLUGINS)  # pytester has removed the session's own
    monkeypatch.setenv("COLUMNS", "500")  # the summary's lines stay whole
    made = Project(pytester)
    made.inventory({"host-a": {"connection": "local"}, "host-b": {"connection": "local"}})
    for host in ("host-a", "host-b"):
        for file in ("first", "second"):
            made.write(host, file)
    return made
