from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import CONTAINERS, reason_to_skip, running_lab
from tests.aftermath import AFTERMATH
from tests.lab_names import lab_name
from tests.whole_lab import made_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab


@pytest.fixture(scope="session", autouse=False)
def can_have_lab() -> None:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def session_lab(can_have_lab: None) -> Iterator[Lab]:  # noqa: ARG001 - asked for by name
    name = lab_name("session")
    with AFTERMATH.lab(name), running_lab(name, CONTAINERS) as lab:
        yield lab


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """Return the session's lab, whatever the test before has left of it."""
    return made_whole(session_lab, CONTAINERS)
