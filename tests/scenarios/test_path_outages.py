"""Parts of the path to a redis are stopped in turn: what a client sees is recorded, and everything is as before."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from runbook_lib.books.docker import outages
from runbook_lib.lab.testing import CONTAINERS
from tests.deadlines import wait_until
from tests.scenarios.practice import Practice, signal_and_wait

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.lab.lab import Lab
    from tests.programs import Programs

pytestmark = [pytest.mark.lab, pytest.mark.scenario, pytest.mark.outages, pytest.mark.in_order]

RUN = ("70_path_load", "-p", "requests", "0", "-p", "outage", "2")
SERVER = ("server", "server-host")
PATHS = {
    "published-port": SERVER,
    "br0": SERVER,
    "overlay": SERVER,
    "one-ambassador": ("server-ambassador", *SERVER),
    "two-ambassadors": tuple(outages.PARTS),
}
"""Each path, and the parts whose outage it must feel."""
_SEEN = "What the client sees: "
_HOST_STATE = (
    "sudo docker ps --no-trunc --format '{{.ID}} {{.Names}}'; sudo iptables -t raw -S; "
    "systemctl list-units --all --no-legend 'runbook-outage*'"
)


@pytest.fixture
def practice(path_lab: Lab, tmp_path: Path, programs: Programs) -> Practice:
    return Practice(path_lab, tmp_path, programs)


@pytest.fixture(scope="module")
def path_lab(fresh_lab: Lab) -> Lab:
    fresh_lab.up(CONTAINERS)
    return fresh_lab


def host_state(practice: Practice) -> list[str]:
    return [practice.on(host, _HOST_STATE) for host in ("host-a", "host-b")]


def test_each_outage_is_seen_by_the_paths_that_it_concerns(practice: Practice) -> None:
    for name in ("20_docker_install", "30_bridge_br0", "40_ambassador_redis", "60_overlay_names"):
        done = practice.run(name)
        assert done.returncode == 0, done.stdout + done.stderr
    before = host_state(practice)
    done = practice.run(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = practice.last().steps
    seen = outages.table(
        {step.title.removeprefix(_SEEN): step for step in steps if step.title.startswith(_SEEN)}
    )
    assert {part for part, _ in seen.index} == set(outages.PARTS)
    assert {path for _, path in seen.index} == set(PATHS)
    assert len(seen) == len(PATHS) * len(outages.PARTS)
    for path, parts in PATHS.items():
        concerned = seen.xs(path, level="path").loc[list(parts)]
        assert (concerned["longest_gap_s"] > 2).all(), concerned
        assert concerned["first_answer_after_s"].notna().all(), "the path leads to the redis again"
    host = seen.xs("server-host", level="stopped")  # nobody is there to refuse
    assert (host["no_answer"] > 0).all()
    assert host_state(practice) == before


def test_an_outage_ends_by_itself_if_the_run_is_interrupted(practice: Practice) -> None:
    before = host_state(practice)
    process = practice.start(*RUN)
    practice.wait_for("step_started", f"{_SEEN}server-ambassador", seconds=120)
    signal_and_wait(process, signal.SIGINT)
    assert process.returncode != 0
    wait_until(lambda: host_state(practice) == before or None, "the end of the outage", seconds=60)


def test_nothing_is_stopped_where_it_was_not_asked_for(practice: Practice) -> None:
    for given in ((*RUN, "--mode", "plan"), RUN[:4]):
        assert practice.run(*given).returncode == 0
        assert not [
            step.title for step in practice.last().steps if "outage" in step.title or "Stop" in step.title
        ]
