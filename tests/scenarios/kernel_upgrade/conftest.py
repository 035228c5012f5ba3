from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.testing import reason_to_skip, running_lab
from tests.aftermath import AFTERMATH
from tests.lab_names import lab_name
from tests.scenarios.kernel_upgrade.practice import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from tests.programs import Programs


@pytest.fixture(scope="session")
def kernel_lab() -> Iterator[Lab]:
    reason = reason_to_skip("vm")
    if reason:
        pytest.skip(reason)
    name = lab_name("kernel")
    with AFTERMATH.lab(name), running_lab(name, ["cloud"]) as lab:
        yield lab


@pytest.fixture
def cloud(kernel_lab: Lab, tmp_path: Path, programs: Programs) -> Cloud:
    return Cloud(kernel_lab, tmp_path, programs)
