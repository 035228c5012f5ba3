"""The whole chapter on freshly installed hosts, from preflight to PONG; the tests build on each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml
from pyroute2 import IPRoute

from runbook_lib.books.docker import load
from runbook_lib.cli.demo import CHAPTER
from runbook_lib.connections.network_namespace import run_in
from runbook_lib.evidence.lookup import read_run
from runbook_lib.lab.system.paths import LabPaths
from runbook_lib.model.status import Status
from runbook_lib.report.data_frames import tables
from runbook_lib.report.topology import topology_of
from runbook_lib.report.topology_text import describe
from tests import plain_papermill
from tests.books.docker.book_page import shown
from tests.deadlines import deadline
from tests.scenarios.ci import recipe
from tests.scenarios.practice import PAPERMILL, TOP, Practice

if TYPE_CHECKING:
    from runbook_lib.lab.lab import Lab
    from runbook_lib.model.records import RunRecord
    from tests.programs import Programs

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.in_order]
ONCE = (
    "00_preflight",
    "20_docker_install",
    "25_published_ports",
    "35_two_vlans",
    "60_overlay_names",
)
"""Run by `runbook run` only: what plain papermill does is shown by the others."""
_HOST_STATE = (
    "cat /etc/network/interfaces; ip -br link | cut -d' ' -f1; ip -br -4 address; dpkg -l | grep -c ^ii; "
    "sudo cat /etc/docker/daemon.json 2>/dev/null; "
    "sudo docker ps -aq --no-trunc 2>/dev/null; sudo docker images -q 2>/dev/null; "
    "sudo find /var/lib/runbook"
)


@pytest.fixture
def chapter(fresh_lab: Lab, tmp_path: Path, programs: Programs) -> Practice:
    return Practice(fresh_lab, tmp_path, programs)


def host_state(practice: Practice) -> list[str]:
    return [practice.on(host, f"{_HOST_STATE} || true") for host in ("host-a", "host-b")]


def assert_the_books_systems_are_shown(practice: Practice) -> None:
    """Every check that `docs/book.md` names for a notebook of the chapter held."""
    named = {(entry.notebook, entry.check) for entry in shown() if entry.notebook in CHAPTER}
    assert len(named) > len(CHAPTER) - 1
    assert named - practice.checks_passed() == set()


def assert_figure_15_1_is_drawn(record: RunRecord) -> None:
    shown = topology_of([record])
    assert shown is not None
    assert [(network.subnet, network.proved) for network in shown.networks] == [
        ("10.102.0.0/24", True),
        ("192.168.0.0/20", True),
    ]
    bridges = {
        (host.name, bridge.name): (bridge.interfaces, bridge.network)
        for host in shown.hosts
        for bridge in host.bridges
        if bridge.interfaces
    }
    assert bridges == {
        ("host-a", "br0"): (["em1"], "bridge"),
        ("host-a", "br102"): (["em2"], "vlan102"),
        ("host-b", "br0"): (["em1"], "bridge"),
    }
    texts = [text for _, text in describe(shown)]
    assert "Interface em2: a port of br102; leads to the physical network 10.102.0.0/24" in texts
    assert {"Container vlan101-announcer", "Container vlan102-announcer"} <= set(texts)


def assert_the_swarms_token_is_nowhere_in_the_evidence(practice: Practice) -> None:
    token = practice.on("host-a", "sudo docker swarm join-token --quiet worker").strip()
    assert token.startswith("SWMTKN-")
    evidence = {path: path.read_bytes() for path in practice.runs.rglob("*") if path.is_file()}
    assert [path.name for path, data in evidence.items() if token.encode() in data] == []
    assert any(b"${shown:swarm join token}" in data for data in evidence.values())


def test_plan_on_fresh_hosts_changes_nothing(chapter: Practice) -> None:
    before = host_state(chapter)
    done = chapter.run("20_docker_install", "30_bridge_br0", "--mode", "plan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert chapter.records()[0].status is Status.PLANNED
    assert host_state(chapter) == before


def test_first_run_ends_with_a_pong_from_host_b(chapter: Practice) -> None:
    done = chapter.run(*CHAPTER[:1])
    assert done.returncode == 0, done.stdout + done.stderr
    done = chapter.run(*CHAPTER[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert chapter.statuses() == {Status.OK, Status.CHANGED}
    assert_the_books_systems_are_shown(chapter)
    assert_the_swarms_token_is_nowhere_in_the_evidence(chapter)
    redis = next(record for record in chapter.records() if record.runbook == "40_ambassador_redis")
    ping = next(step for step in redis.steps if step.title == "PING through both ambassadors")
    assert [(host.host, check.observed) for host in ping.hosts for check in host.checks] == [
        ("host-b", "PONG")
    ]
    assert any(command.stdout.head.strip() == "PONG" for host in ping.hosts for command in host.commands)


@pytest.mark.parametrize("mode", ["plan", "apply", "validate"])
def test_upgrade_of_a_containers_kernel_is_skipped_with_the_reason(chapter: Practice, mode: str) -> None:
    done = chapter.run("10_kernel_upgrade", "--hosts", "host-a,host-b", "--mode", mode)
    assert done.returncode == 0, done.stdout
    record = chapter.last()
    hosts = {step.title: step.hosts[0] for step in record.steps}
    for title in ("Keep the running kernel as the default", "Install the kernel", "Boot the new kernel"):
        assert hosts[title].status is Status.SKIPPED
        assert "a container (systemd-nspawn) shares the kernel of the machine" in hosts[title].message
    assert hosts["Check that the kernel is new enough"].status is Status.OK
    booted = [step.hosts for step in record.steps if step.title == "Boot the new kernel"]
    assert [[host.host for host in batch] for batch in booted] == [["host-a"], ["host-b"]], "one by one"
    assert all(command.kind == "fact" for host in hosts.values() for command in host.commands)


def test_second_run_changes_nothing(chapter: Practice) -> None:
    before = host_state(chapter)
    assert chapter.run(*CHAPTER).returncode == 0
    assert chapter.statuses() == {Status.OK}
    assert host_state(chapter) == before


def test_each_path_to_the_redis_is_measured_and_compared(chapter: Practice) -> None:
    done = chapter.run("70_path_load", "-p", "requests", "500", "-p", "rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    measured = load.table(chapter.last().steps)
    assert list(measured.index) == [
        "direct", "published-port", "one-ambassador", "two-ambassadors", "br0", "overlay",
    ]  # fmt: skip
    assert (measured > 0).all(axis=None)  # how fast they are is not for a test to say


def test_vlans_that_are_joined_at_the_switch_are_noticed_on_both_hosts(chapter: Practice) -> None:
    switch = LabPaths(chapter.lab.name).switch

    def join() -> None:
        with IPRoute() as kernel:
            kernel.link("add", ifname="patch-101", kind="veth", peer={"ifname": "patch-102"})
            for vlan in (101, 102):
                (index,) = kernel.link_lookup(ifname=f"patch-{vlan}")
                (bridge,) = kernel.link_lookup(ifname=f"v{vlan}")
                kernel.link("set", index=index, master=bridge, state="up")

    def separate() -> None:
        with IPRoute() as kernel:
            kernel.link("del", index=kernel.link_lookup(ifname="patch-101")[0])

    run_in(switch, join)
    try:
        done = chapter.run("35_two_vlans", "--mode", "validate", "-p", "on_failure", "continue")
        assert done.returncode == 1, done.stdout + done.stderr
    finally:
        run_in(switch, separate)
    broken = {
        (host.host, check.id, check.observed.partition(", as ")[0].partition(" ")[2])
        for step in chapter.last().steps
        for host in step.hosts
        for check in host.checks
        if not check.holds
    }
    assert broken >= {(host, "vlan.no_foreign_frames", "foreign frames") for host in ("host-a", "host-b")}
    assert {check for _, check, _ in broken} <= {"vlan.no_foreign_frames", "frames.own"}
    assert_figure_15_1_is_drawn(chapter.last())


def test_pytest_has_a_case_per_step_host_and_check_of_the_validation(chapter: Practice) -> None:
    done = pytest_on(chapter, "-n", "2", "--runbook-set", "also_validate", "[]")
    assert done.returncode == 0, done.stdout + done.stderr
    record = chapter.last()
    hosts = [host for step in record.steps for host in step.hosts]
    number = len(hosts) + sum(len(host.checks) for host in hosts) + 1
    assert f"{number} passed" in done.stdout


def test_the_ci_recipe_validates_with_the_key_and_the_known_hosts_as_secrets(
    chapter: Practice, tmp_path: Path
) -> None:
    clone = recipe.fresh(tmp_path / "clone")
    inventory = yaml.safe_load(chapter.lab.inventory.read_text(encoding="utf-8"))
    (key,) = {host["identity_file"] for host in inventory["hosts"].values()}
    (known,) = {host["known_hosts"] for host in inventory["hosts"].values()}
    for host in inventory["hosts"].values():
        host |= {"identity_file": "~/.ssh/id_ed25519", "known_hosts": "~/.ssh/known_hosts"}
    mine = clone / "params" / "mine"
    shutil.copytree(clone / "params" / "lab", mine)
    (mine / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    given = {
        name: Path(path).expanduser().read_text(encoding="utf-8").rstrip("\n")
        for name, path in (("RUNBOOK_SSH_KEY", key), ("RUNBOOK_KNOWN_HOSTS", known))
    }
    done = recipe.github(clone, given)
    assert done.code == 0, done.output
    assert "junit.xml" in {path.name for path in done.artifacts}
    assert done.left == []


def test_containers_have_addresses_of_the_physical_network(chapter: Practice) -> None:
    assert chapter.run("30_bridge_br0").returncode == 0
    found = next(step for step in chapter.last().steps if step.title == "Addresses of the containers")
    addresses = [host.facts["Container(br0-probe)"]["address"] for host in found.hosts]
    assert addresses[0].startswith("192.168.8.")
    assert addresses[1].startswith("192.168.9.")


@pytest.mark.parametrize("name", [name for name in CHAPTER if name not in ONCE])
def test_papermill_without_the_runbook_command_runs_each_notebook(chapter: Practice, name: str) -> None:
    out = chapter.runs / "out.ipynb"
    done = papermill(chapter, name, out)
    assert done.returncode == 0, done.stderr
    record = chapter.last()
    assert record.status.is_success
    from_notebook, from_journal = tables([read_run(out)]), tables([record])
    for table in ("runs", "steps", "commands", "checks"):
        pd.testing.assert_frame_equal(getattr(from_notebook, table), getattr(from_journal, table))


def test_papermill_without_the_runbook_command_fails_if_a_step_fails(chapter: Practice) -> None:
    done = papermill(
        chapter, "40_ambassador_redis", chapter.runs / "out.ipynb", "-p", "redis_image", "runbook/none:1"
    )
    assert done.returncode != 0
    assert chapter.last().status is Status.FAILED


def test_plan_of_an_existing_setup_changes_nothing(chapter: Practice) -> None:
    before = host_state(chapter)
    assert chapter.run("40_ambassador_redis", "--mode", "plan").returncode == 0
    assert host_state(chapter) == before


def test_wiring_with_links_as_in_the_book(chapter: Practice) -> None:
    assert chapter.run("40_ambassador_redis", "-p", "wiring", "link").returncode == 0
    assert Status.CHANGED in chapter.statuses()
    variables = chapter.on("host-a", "sudo docker exec redis_ambassador env")
    assert "REDIS_PORT_6379_TCP=tcp://" in variables
    assert chapter.run("40_ambassador_redis", "-p", "wiring", "network").returncode == 0


def test_a_drill_names_the_cause_first_and_what_repairs_it(chapter: Practice) -> None:
    """One of docs/drills.md; `make test-drills` does all of them."""
    drill = ("91_drill", "-f", "params/lab/91_drill.yml")
    assert chapter.lab.faults.inject("variable") == "variable:host-b"
    try:
        assert chapter.run(*drill).returncode == 1
        (cause,) = [step for step in chapter.last().steps if step.title == "The cause"]
        (check,) = [check for host in cause.hosts for check in host.checks if not check.holds]
        assert check.id == "cause.ambassador"
        assert check.observed == (
            "tcp://192.168.7.39:6379, running; repair: on the host: `docker rm -f redis_ambassador`, "
            "then `runbook run 40_ambassador_redis`"
        )
    finally:
        chapter.lab.faults.repair()
    assert chapter.run(*drill).returncode == 0


def test_unplugged_cable_fails_the_validation_at_the_right_hop(chapter: Practice) -> None:
    chapter.lab.faults.inject("cable")
    hops_only = ("90_validate", "-p", "also_validate", "[]")
    try:
        assert chapter.run(*hops_only).returncode == 1
    finally:
        chapter.lab.faults.repair()
    broken = [
        (host.host, check.name)
        for step in chapter.last().steps
        for host in step.hosts
        for check in host.checks
        if not check.holds
    ]
    assert broken[0][1].startswith("ping to ")
    hops = [name for _, name in broken if name.startswith("hop")]
    assert hops[0] == "hop 3: client-side ambassador to server host 192.168.7.31:6379"
    assert not any(name.startswith(("hop 1", "hop 2")) for _, name in broken)
    assert chapter.run(*hops_only).returncode == 0


def test_stopped_redis_is_located_at_the_first_hop(chapter: Practice) -> None:
    chapter.on("host-a", "sudo docker stop redis-server")
    done = pytest_on(chapter, "-k", "Hop", "--runbook-set", "also_validate", "[]")
    assert done.returncode == 1
    failed = [step.title for step in chapter.last().steps if step.status is Status.FAILED]
    assert failed[:3] == ["The cause", "Redis runs", "Hop 1: redis itself"]
    assert re.search(
        r"FAILED notebooks/90_validate.ipynb::step \d+ Hop 1: redis itself::host-a::", done.stdout
    )
    assert chapter.run("40_ambassador_redis").returncode == 0


def pytest_on(practice: Practice, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--runbooks",
        "notebooks/90_validate.ipynb",
    ]
    parameters = [
        "--runbook-set",
        "inventory",
        str(practice.lab.inventory),
        "--runbook-set",
        "runs",
        str(practice.runs),
    ]
    return subprocess.run(
        [*command, "--params", "params/lab/90_validate.yml", *parameters, *arguments],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=deadline(300),
        check=False,
    )


def papermill(practice: Practice, name: str, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        PAPERMILL,
        f"notebooks/{name}.ipynb",
        str(out),
        "-f",
        f"params/lab/{name}.yml",
        "--no-progress-bar",
    ]
    parameters = ["-p", "inventory", str(practice.lab.inventory), "-p", "runs", str(practice.runs)]
    return plain_papermill.papermill([*command, *parameters, *arguments], cwd=TOP)
