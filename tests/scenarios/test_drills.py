"""Every drill on practice hosts: break, the named check fails first, repair, all checks hold: `make test-drills`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbook_lib.lab.fault_names import FAULTS
from runbook_lib.lab.testing import CONTAINERS
from runbook_lib.model.status import Status
from tests.books.docker.drills_page import CAUSES
from tests.deadlines import wait_until
from tests.programs import Programs
from tests.scenarios.practice import Practice
from tests.scenarios.registry.practice import RegistryPractice

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.drills]
NEEDS_A_HOST = {"unplug", "power", "docker-down"}
PARAMETERS = ("91_drill", "-f", "params/lab/91_drill.yml")
VALIDATION = ("90_validate", "-f", "params/lab/90_validate.yml", "-p", "also_validate", "[]")


@pytest.fixture(scope="module")
def chapter_lab(docker_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return the lab with the whole chapter on its hosts, and a registry on the lab's object store."""
    docker_lab.up(CONTAINERS, store=True)
    practice = RegistryPractice(docker_lab, tmp_path_factory.mktemp("chapter"), Programs())
    for done in (practice.run("30_bridge_br0", "40_ambassador_redis"), practice.registry()):
        assert done.returncode == 0, done.stdout + done.stderr
    return docker_lab


@pytest.mark.parametrize("fault", [name.removesuffix(":HOST") for name in FAULTS])
def test_a_drill_names_the_cause_and_its_repair(
    fault: str, chapter_lab: Lab, tmp_path: Path, programs: Programs
) -> None:
    found_and_repaired(f"{fault}:host-b" if fault in NEEDS_A_HOST else fault, chapter_lab, tmp_path, programs)


def found_and_repaired(fault: str, lab: Lab, place: Path, programs: Programs) -> None:
    """Break, find the cause with both runbooks, repair, and look again."""
    practice = Practice(lab, place, programs)
    injected = lab.faults.inject(fault)
    cause = CAUSES[fault.partition(":")[0]]
    try:
        assert practice.run(*PARAMETERS).returncode in {1, 3}
        assert cause in causes_named(practice)
        assert practice.run(*VALIDATION).returncode in {1, 3}
        assert cause in causes_named(practice)
        assert practice.last().steps[0].title == "The cause"
    finally:
        assert lab.faults.repair() == [injected]
    wait_until(lambda: practice.run(*VALIDATION).returncode == 0, f"the end of {injected}", seconds=120)


def test_an_expired_certificate_is_replaced_by_the_runbook_that_its_cause_names(
    chapter_lab: Lab, tmp_path: Path, programs: Programs
) -> None:
    practice = RegistryPractice(chapter_lab, tmp_path, programs)
    pull = "sudo docker pull 192.168.7.31:5000/acme/redis-server:1 2>&1 || true"
    assert chapter_lab.faults.inject("certificate") == "certificate:host-a"
    try:
        assert "x509: certificate has expired" in practice.on("host-b", pull)
        assert practice.run(*PARAMETERS).returncode == 1
        (failed,) = [check for check in practice.checks("cause.certificate") if not check.holds]
        assert failed.observed.startswith("expired on ")
        assert "runbook run 50_registry_s3" in failed.observed
        assert practice.registry().returncode == 0, practice.failed()
        assert practice.run(*PARAMETERS).returncode == 0
        assert "x509" not in practice.on("host-b", pull)
    finally:
        assert chapter_lab.faults.repair() == ["certificate:host-a"]
    assert practice.run(*PARAMETERS).returncode == 0, (
        "a repair after the learner's own leaves the registry as it is"
    )


def test_faults_of_one_host_do_not_repair_each_other(
    chapter_lab: Lab, tmp_path: Path, programs: Programs
) -> None:
    practice = Practice(chapter_lab, tmp_path, programs)
    asked = "sudo docker exec redis-server redis-cli --raw GET greeting"
    before = practice.on("host-a", asked)
    assert before.strip()
    try:
        for fault in ("key", "mirror:host-a", "redis-stopped", "unbound:host-a"):
            chapter_lab.faults.inject(fault)
            if fault == "mirror:host-a":
                assert not practice.on("host-a", asked).strip()
    finally:
        assert len(chapter_lab.faults.repair()) == 4
    assert practice.on("host-a", asked) == before
    wait_until(lambda: practice.run(*VALIDATION).returncode == 0, "the end of all faults", seconds=120)


def test_a_fault_is_repaired_after_the_learner_has_removed_redis(
    chapter_lab: Lab, tmp_path: Path, programs: Programs
) -> None:
    practice = Practice(chapter_lab, tmp_path, programs)
    chapter_lab.faults.inject("key")
    practice.on("host-a", "sudo docker rm -f redis-server")
    assert chapter_lab.faults.repair() == ["key:host-a"]
    done = practice.run("40_ambassador_redis")
    assert done.returncode == 0, done.stdout + done.stderr
    assert practice.run(*VALIDATION).returncode == 0


@pytest.mark.parametrize("fault", ["docker-down:host-a", "power:host-a"])
def test_what_redis_had_is_there_again_after_the_server_was_down(
    fault: str, chapter_lab: Lab, tmp_path: Path, programs: Programs
) -> None:
    """The last test: after its boot the host has no keys for the object store, and no registry runs."""
    found_and_repaired(fault, chapter_lab, tmp_path, programs)


def causes_named(practice: Practice) -> list[str]:
    """Return, of each host that could be asked, the first check of the last run that does not hold."""
    (step,) = [step for step in practice.last().steps if step.title == "The cause"]
    asked = [host for host in step.hosts if host.status in {Status.OK, Status.FAILED}]
    return [
        next(check.id for check in host.checks if not check.holds) for host in asked if host.status != "ok"
    ]
