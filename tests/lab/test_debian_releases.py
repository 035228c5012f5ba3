"""Debian releases and Docker engines of practice hosts: what is offered, what is refused, what apt prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from click.testing import CliRunner

from runbook_lib.cli.lab import lab
from runbook_lib.errors import InputError
from runbook_lib.lab.host_selection import with_release, with_releases_of
from runbook_lib.lab.system.debian_releases import RELEASES, find_release, package_pins
from runbook_lib.lab.topology import HostPlan
from runbook_lib.lab.topology_file import load_topology

if TYPE_CHECKING:
    from runbook_lib.lab.topology import Topology

BAD = {
    "--release debian-11": "unknown release 'debian-11'.*debian-12 or debian-13",
    "--release trixie --engine 29": "debian-13 has no Docker engine 29, but 26 or 28.*Debian's own packages",
    "--release debian-13 --engine 20": "debian-13 has no Docker engine 20, but 26 or 28.*release debian-12 has it",
    "--engine 28": "debian-12 has no Docker engine 28, but 20.*release debian-13 has it",
    "--engine -1": "debian-12 has no Docker engine -1, but 20",
    "--release debian-13 --hosts cloud": "host 'cloud' of the topology.*a VM runs Debian 12.*containers",
}


def containers() -> Topology:
    return load_topology().only(["host-a", "host-b"])


@pytest.mark.parametrize("options", BAD)
def test_a_release_or_engine_that_there_is_not_is_refused_before_anything_is_made(options: str) -> None:
    done = CliRunner().invoke(lab, ["up", "--name", "never-up", *options.split()])
    assert isinstance(done.exception, InputError), done.output
    assert done.exception.exit_code == 2
    with pytest.raises(InputError, match=f"(?s){BAD[options]}"):
        raise done.exception


def test_an_engine_that_is_no_number_is_refused_by_the_command_line() -> None:
    done = CliRunner().invoke(lab, ["up", "--name", "never-up", "--engine", "28.5"])
    assert done.exit_code == 2
    assert "'28.5' is not a valid integer" in done.output


def test_the_release_of_the_command_line_holds_for_all_hosts() -> None:
    changed = with_release(containers(), "debian-13", 28)
    assert {(plan.distribution, plan.engine) for plan in changed.hosts.values()} == {("trixie", 28)}
    assert with_release(containers(), None, None).hosts == containers().hosts


def test_hosts_that_are_running_keep_their_release_and_others_get_the_topologys() -> None:
    running = with_release(containers().only(["host-a"]), "debian-13", 28).hosts
    kept = with_releases_of(running, containers()).hosts
    assert (kept["host-a"].distribution, kept["host-a"].engine) == ("trixie", 28)
    assert kept["host-b"] == containers().hosts["host-b"]


def test_an_engine_of_the_topology_is_kept_with_its_release_only() -> None:
    given = with_release(containers(), "debian-13", 28)
    assert {plan.engine for plan in with_release(given, "debian-13", None).hosts.values()} == {28}
    assert {plan.engine for plan in with_release(given, "debian-12", None).hosts.values()} == {None}
    assert {plan.distribution for plan in with_release(given, None, 26).hosts.values()} == {"trixie"}


def test_only_an_engine_of_another_release_is_pinned() -> None:
    for release in RELEASES:
        for engine, suite in release.engines.items():
            pins = package_pins(release.codename, engine)
            assert bool(pins) == (suite != release.codename)
        assert package_pins(release.codename, None) == ""
    assert package_pins("trixie", 28) == (
        "Package: *\nPin: release n=forky\nPin-Priority: 50\n\n"
        "Package: docker.io docker-cli containerd runc tini-static\nPin: release n=forky\nPin-Priority: 990\n"
    )


def test_a_topology_can_name_every_release() -> None:
    assert get_args(HostPlan.model_fields["distribution"].annotation) == tuple(
        release.codename for release in RELEASES
    )


def test_a_release_has_a_name_and_a_code_name() -> None:
    assert find_release("debian-13") == find_release("trixie")
