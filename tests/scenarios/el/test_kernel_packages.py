"""EL kernels are installed with the real dnf, from the tests' own repository; docs/el.md says what this proves."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, TypeVar

import pytest

from runbook_lib.errors import FactError, ParameterError
from runbook_lib.facts.kernel import InstalledKernel, InstalledKernels
from runbook_lib.facts.kernel_package import Candidates, KernelOffer
from runbook_lib.facts.packages import Holder, LockHolder, PackageVersion
from runbook_lib.facts.release import Release
from runbook_lib.model.commands import Command
from runbook_lib.operations import package_source, packages

if TYPE_CHECKING:
    from runbook_lib.facts.base import Fact
    from tests.scenarios.el.host import ElHost
    from tests.scenarios.el.repository import Repository

T = TypeVar("T")
LT = "kernel-lt"
ELREPO = "elrepo-kernel"
_HOLD = """
import fcntl, os, time
os.makedirs("/var/lib/rpm", exist_ok=True)
file = open("/var/lib/rpm/.rpm.lock", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def read_fact(host: ElHost, fact: Fact[T]) -> T:
    request = fact.request()
    assert isinstance(request, Command)
    return fact.parse(host.run(request))


def source(
    repository: Repository, key: str | None = None, fingerprint: str | None = None
) -> package_source.Ready:
    return package_source.ready(
        release_package=repository.release_package,
        key=key or repository.key,
        fingerprint=fingerprint or repository.fingerprint,
    )


def test_repository_is_added_with_its_key_and_is_then_in_the_desired_state(
    host: ElHost, repository: Repository
) -> None:
    plan, checks = host.apply(source(repository))
    assert len(plan.commands) == 2
    assert all(check.holds for check in checks)
    again, _ = host.apply(source(repository))
    assert again.commands == ()


@pytest.mark.parametrize("wrong", ["another fingerprint", "two keys in the file"])
def test_key_that_is_not_the_one_expected_is_not_imported(
    host: ElHost, repository: Repository, wrong: str
) -> None:
    operation = (
        source(repository, fingerprint=repository.other_fingerprint)
        if wrong == "another fingerprint"
        else source(repository, key=repository.both_keys)
    )
    first = operation.plan(host.read_facts(operation)).commands[0]
    output = host.run(first)
    assert output.exit_code == 3
    assert "not imported" in output.stderr
    assert repository.fingerprint in output.stderr
    assert read_fact(host, PackageVersion(f"gpg-pubkey-{repository.fingerprint[-8:].lower()}")) is None


def test_repository_without_a_fingerprint_is_refused_before_any_host_is_touched(
    repository: Repository,
) -> None:
    with pytest.raises(ParameterError, match="fingerprint"):
        package_source.ready(release_package=repository.release_package, key=repository.key)


def test_unsigned_kernel_is_not_installed(host: ElHost, repository: Repository) -> None:
    host.apply(source(repository))
    repository.add("kernel-none", "6.6.1-1.el9.elrepo", signed=False)
    output = host.run(install(host, "kernel-none"))
    assert output.exit_code != 0
    assert "not signed" in output.stdout + output.stderr
    assert read_fact(host, PackageVersion("kernel-none")) is None


def test_kernel_lt_is_offered_installed_and_found_in_boot(host: ElHost, repository: Repository) -> None:
    host.apply(source(repository))
    release = "5.4.278-1.el9.elrepo.x86_64"
    version = "5.4.278-1.el9.elrepo"
    assert read_fact(host, Candidates(LT, ELREPO)) == KernelOffer(LT, None, None, version, release)
    assert host.run(install(host, LT)).exit_code == 0
    assert InstalledKernel(release, LT, version, initrd=True) in read_fact(host, InstalledKernels())
    assert read_fact(host, Candidates(LT, ELREPO)) == KernelOffer(LT, version, release, None, None)


def test_newer_kernel_of_a_package_is_offered_next_to_the_installed_one(
    host: ElHost, repository: Repository
) -> None:
    host.apply(source(repository))
    assert host.run(install(host, LT)).exit_code == 0
    with repository.offering(LT, "5.15.160-1.el9.elrepo"):
        host.run(Command(("dnf", "clean", "all")))
        offer = read_fact(host, Candidates(LT, ELREPO))
    assert (offer.installed, offer.available) == ("5.4.278-1.el9.elrepo", "5.15.160-1.el9.elrepo")
    assert offer.release == "5.15.160-1.el9.elrepo.x86_64"


def test_repository_that_is_away_is_not_one_without_a_newer_kernel(
    host: ElHost, repository: Repository
) -> None:
    """Where dnf may skip it, dnf lists what is installed, and says nothing of the repository."""
    host.apply(source(repository))
    assert host.run(install(host, LT)).exit_code == 0
    away = "s,^baseurl=.*,baseurl=file:///nowhere\\nskip_if_unavailable=1,"
    assert host.run(Command(("sed", "-i", away, "/etc/yum.repos.d/elrepo.repo"))).exit_code == 0
    host.run(Command(("dnf", "clean", "all")))
    with pytest.raises(FactError, match="Failed to download metadata for repo 'elrepo-kernel'"):
        read_fact(host, Candidates(LT, ELREPO))


def test_package_that_no_repository_has_is_not_offered(host: ElHost, repository: Repository) -> None:
    host.apply(source(repository))
    assert read_fact(host, Candidates("kernel-nothing", ELREPO)) == KernelOffer("kernel-nothing")


def test_lock_of_rpm_is_reported_with_its_holder(host: ElHost) -> None:
    assert read_fact(host, LockHolder()) == ()
    with subprocess.Popen(
        ["chroot", str(host.root), "python3", "-c", _HOLD], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert read_fact(host, LockHolder()) == (Holder(holder.pid, "python3", "/var/lib/rpm/.rpm.lock"),)
        holder.kill()


def test_version_of_a_package_is_read_from_rpm(host: ElHost, repository: Repository) -> None:
    assert read_fact(host, PackageVersion("elrepo-release")) is None
    host.apply(source(repository))
    assert read_fact(host, PackageVersion("elrepo-release")) == "9-1.el9.elrepo"


def install(host: ElHost, name: str) -> Command:
    return packages.install(read_fact(host, Release()), {"el": (name,)}, ELREPO)[-1]
