from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import reason_to_skip, running_lab
from tests.aftermath import AFTERMATH
from tests.lab_names import lab_name
from tests.scenarios.networks.hosts import RELEASES, STACKS, TOPOLOGY, Networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runbook_lib.lab.lab import Lab


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest) -> str:
    """Return the Debian release of the hosts; a module may ask for others, by an indirect parameter."""
    return str(getattr(request, "param", RELEASES[0]))


@pytest.fixture(scope="module")
def networks_lab(release: str) -> Iterator[Lab]:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    name = lab_name("networks")
    with AFTERMATH.lab(name), running_lab(name, STACKS, TOPOLOGY, release) as lab:
        yield lab


@pytest.fixture
def networks(networks_lab: Lab, release: str, tmp_path_factory: pytest.TempPathFactory) -> Networks:
    return Networks(networks_lab, tmp_path_factory.mktemp("networks"), release)
