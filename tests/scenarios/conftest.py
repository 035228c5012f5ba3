from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.system.paths import cache_directory, locked
from runbook_lib.lab.testing import CONTAINERS, reason_to_skip, running_lab
from tests.aftermath import AFTERMATH
from tests.deadlines import deadline
from tests.lab_names import lab_name
from tests.programs import Programs
from tests.scenarios.practice import Practice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runbook_lib.lab.lab import Lab


RELEASE = os.environ.get("RUNBOOK_TEST_RELEASE") or None
"""Debian release of the hosts, as `debian-13`; default: the topology's."""
ENGINE = int(os.environ.get("RUNBOOK_TEST_ENGINE") or 0) or None
"""Docker engine that the hosts can install, as `28`; default: the release's own."""
PACKAGES = "cron curl docker-registry docker.io git gnupg iptables netcat-openbsd nftables nginx nginx-light"
"""What the tests install on hosts. A mirror that is silent for some minutes says nothing about runbooks."""
_DOWNLOAD = f"""for attempt in 1 2 3 4 5 6 7 8; do
  sudo apt-get -qq --error-on=any update &&
  sudo apt-get -qq -y --no-install-recommends --download-only install {PACKAGES} > /dev/null &&
  exec sudo apt-get clean
  sleep 20
done
exit 1"""


@pytest.fixture(scope="session")
def scenario_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    name = lab_name("scenarios")
    with AFTERMATH.lab(name), running_lab(name, CONTAINERS, release=RELEASE, engine=ENGINE) as lab:
        _fill_package_cache(lab, tmp_path_factory.getbasetemp())
        yield lab


def _fill_package_cache(lab: Lab, temporary: Path) -> None:
    """Have the package cache download all that the tests install, once for all processes of the session.

    One lab at a time: of a file that several ask for, the one that asks first downloads it for all, and all lose it
    where that one goes away.
    """
    ours = temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary  # of the whole session
    done = ours / "packages-downloaded"
    with locked(cache_directory() / "download.lock"):
        if not done.exists():
            subprocess.run(lab.ssh_command("host-a", [_DOWNLOAD]), check=True, timeout=deadline(600))
            done.touch()


@pytest.fixture(scope="module")
def fresh_lab(scenario_lab: Lab) -> Lab:
    """Return the lab with freshly installed hosts, whatever the module before has left of it."""
    scenario_lab.up(CONTAINERS)
    scenario_lab.reset()  # repairs every fault
    return scenario_lab


@pytest.fixture(scope="module")
def docker_lab(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return the lab with Docker on its hosts."""
    runs = tmp_path_factory.mktemp("install")
    done = Practice(fresh_lab, runs, Programs()).run("20_docker_install")
    assert done.returncode == 0, done.stdout + done.stderr
    return fresh_lab


@pytest.fixture
def fresh(fresh_lab: Lab, tmp_path: Path, programs: Programs) -> Practice:
    return Practice(fresh_lab, tmp_path, programs)


@pytest.fixture
def practice(docker_lab: Lab, tmp_path: Path, programs: Programs) -> Iterator[Practice]:
    docker_lab.up(CONTAINERS)  # a host that a failed test has left off
    docker_lab.faults.repair()
    yield Practice(docker_lab, tmp_path, programs)
    docker_lab.faults.repair()
