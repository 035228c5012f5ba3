"""Records with facts as the chapter's runbooks leave them: two hosts on br0, a redis and its ambassadors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbook_lib.model.plans import Check
from runbook_lib.model.records import CommandRecord, HostRecord, RunRecord, StepRecord
from runbook_lib.model.status import Mode, Status, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTED = datetime(2026, 11, 22, 15, tzinfo=UTC)
HOPS = {
    1: ("host-a", "redis-server", "redis-server answers itself"),
    2: ("host-a", "redis_ambassador", "server-side ambassador to redis-server"),
    3: ("host-b", "redis_ambassador", "client-side ambassador to server host 192.168.7.31:6379"),
    4: ("host-b", "redis-client", "client to client-side ambassador, and through all hops"),
}
ADDRESSES = {"host-a": "192.168.7.31", "host-b": "192.168.7.32"}


GATEWAY = {"address": "192.168.7.254", "mac": "02:00:00:00:07:fe", "interface": "br0"}


def interface(name: str, kind: str = "", master: str | None = None, *addresses: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "state": "UP",
        "master": master,
        "addresses": list(addresses),
        "mac": "",
        "stp": None,
    }


def interfaces(host: str) -> list[dict[str, Any]]:
    return [
        interface("lo", "", None, "127.0.0.1/8"),
        interface("em1", "", "br0"),
        interface("br0", "bridge", None, f"{ADDRESSES[host]}/20") | {"mac": f"02:00:00:00:00:{host[-1]}0"},
        interface("br-5c1d3a9e0f12", "bridge", None, "172.18.0.1/16"),
        interface("veth1", "veth", "br0"),
        interface("veth2", "veth", "br-5c1d3a9e0f12"),
        interface("veth3", "veth", "br-5c1d3a9e0f12"),
    ]


def container(name: str, image: str, *ports: str, state: str = "running", **networks: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": f"runbook/{image}:1",
        "state": state,
        "networks": networks,
        "ports": list(ports),
    }


# As on the lab's hosts: the probe uses the ambassador's image, but is not an ambassador.
CONTAINERS = {
    "host-a": [
        container("br0-probe", "ambassador", bridge="192.168.8.0"),
        container("docker-proof", "redis-cli", state="exited", bridge=""),
        container("redis-server", "redis-server", bridge="192.168.8.1", names="172.18.0.2"),
        container(
            "redis_ambassador", "ambassador", "6379:6379/tcp", bridge="192.168.8.2", names="172.18.0.3"
        ),
    ],
    "host-b": [
        container("br0-probe", "ambassador", bridge="192.168.9.0"),
        container("redis-client", "redis-cli", bridge="192.168.9.2", names="172.18.0.3"),
        container("redis_ambassador", "ambassador", bridge="192.168.9.1", names="172.18.0.2"),
    ],
}


def record(host: str, status: Status = Status.OK, **given: Any) -> HostRecord:  # noqa: ANN401 - any field
    return HostRecord(host=host, address=ADDRESSES[host], kind="container", status=status, **given)


def run(broken: Sequence[int] = (), **given: Any) -> RunRecord:  # noqa: ANN401 - any field
    """Return a run of the ambassador runbook in which these hops do not answer."""
    hosts = [
        record(
            host,
            facts={
                "Interfaces": interfaces(host),
                "Containers": CONTAINERS[host],
                "Neighbors": [GATEWAY],
            },
        )
        for host in ADDRESSES
    ]
    steps = [StepRecord(number=1, title="Read the network", kind="facts", started=STARTED, hosts=hosts)]
    for number, (host, inside, what) in HOPS.items():
        observed = "nothing (exit code 124)" if number in broken else "+PONG"
        check = Check.equal(f"hop {number}: {what}", "+PONG", observed, f"hop.{number}")
        status = Status.OK if check.holds else Status.FAILED
        message = "" if check.holds else f"{check.name}: expected +PONG, observed {observed}"
        command = CommandRecord(
            number=number,
            kind="fact",
            text=f"sudo -n -- timeout 5 docker exec -i {inside} socat -t 3 - TCP4:redis:6379",
            started=STARTED,
            ended=STARTED,
            exit_code=0,
            accepted=True,
        )
        host_record = record(host, status, checks=[check], message=message, commands=[command])
        steps.append(
            StepRecord(number=number + 1, title=f"Hop {number}", started=STARTED, hosts=[host_record])
        )
    return RunRecord.model_validate(
        {
            "run": "20261122T150000Z_40_ambassador_redis_aaaaaa",
            "runbook": "40_ambassador_redis",
            "title": "PING through a pair of ambassadors",
            "mode": Mode.APPLY,
            "status": worst([step.status for step in steps]),
            "started": STARTED,
            "ended": STARTED + timedelta(seconds=72),
            "operator": "root",
            "machine": "vm",
            "hosts": list(ADDRESSES),
            "lab": "chapter",
            "steps": steps,
            **given,
        }
    )
