"""The causes of a drill, by facts alone; docs/drills.md lists them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from runbook_lib.books.docker.causes import REPAIRS, Causes
from runbook_lib.books.docker.dropping_rules import dropping
from runbook_lib.books.docker.faults import HOST_FAULTS
from runbook_lib.books.docker.parameters import Drill, ValidateChapter
from runbook_lib.execution.catalog import load
from runbook_lib.facts.answer import Answer, Answered
from runbook_lib.facts.base import Facts
from runbook_lib.facts.interfaces import DefaultRoute, Interface, Interfaces, Reachable, Route
from runbook_lib.facts.packages import Holder, LockHolder
from runbook_lib.lab.fault_names import FAULTS
from tests.books.docker.drills_page import CAUSES, PAGE, table
from tests.execution.project import TOP

P = Drill.model_validate(load(TOP / "notebooks" / "91_drill.ipynb").defaults)
SERVER = Causes(
    P, "192.168.7.31/20", "192.168.8.0/24", (("host-b", "192.168.7.32"),), server=True, client=False
)
CLIENT = Causes(
    P, "192.168.7.32/20", "192.168.9.0/24", (("host-a", "192.168.7.31"),), server=False, client=True
)
LEAVES_NO_CONTAINER = {"50_registry_s3"}
LEFT = {
    "25_published_ports": "port-client",
    "35_two_vlans": "vlan-capture",
    "60_overlay_names": "names-redis",
}
CONTAINER = {"state": "running", "networks": {"redis-names": {}}}
BRIDGED = "-A FORWARD -m physdev --physdev-is-bridged -p tcp -m tcp --dport 6379"
OPTIONS = {"bridge": "br0", "fixed-cidr": "192.168.8.0/24", "registry-mirrors": ["http://192.168.7.254:5000"]}


def em1(state: str = "UP", master: str | None = "br0") -> Interface:
    return Interface("em1", "", state, master, (), "02:00:00:00:00:01")


def br0(*addresses: str) -> Interface:
    return Interface("br0", "bridge", "UP", None, addresses, "02:00:00:00:00:02", stp=False)


def facts(operation: Causes, changed: dict[str, Any]) -> Facts:
    """Facts of a host with which nothing is wrong, but for what is changed, by a word of the fact's label."""
    target = "redis:6379" if operation.server else "192.168.7.31:6379"
    ambassador = {**CONTAINER, "env": ["PATH=/bin", f"REDIS_PORT_6379_TCP=tcp://{target}"]}
    options = {**OPTIONS, "fixed-cidr": operation.fixed_cidr}
    usual = {
        "docker ps": "redis-server\nredis_ambassador\n" + "\n".join(LEFT.values()),
        "docker/tmp": "Avail\n 5000",
        "/boot": "Avail\n 300",
        "ip_forward": "1",
        "iptables-save": "-A FORWARD -j DROP\n-A INPUT -p tcp --dport 22 -j DROP",
        "is-active": "active",
        "daemon.json": json.dumps(options),
        "redis-server)": json.dumps(CONTAINER),
        "redis_ambassador": json.dumps(ambassador),
        "protected-mode": "protected-mode\nno",
        "GET greeting": P.value,
        "s_client": "notAfter=Jan  1 00:00:00 2040 GMT\nCertificate will not expire",
    }
    values: dict[Any, Any] = {}
    for fact in operation.facts():
        if isinstance(fact, Answer):
            word = next(word for word in usual if word in fact.label)
            answer = changed.get(word, usual[word])
            failed = "will expire" in str(answer)
            values[fact] = answer if isinstance(answer, Answered) else Answered(int(failed), answer)
        elif isinstance(fact, Reachable):
            values[fact] = changed.get("ping", True)
        elif isinstance(fact, Interfaces):
            values[fact] = changed.get("interfaces", (em1(), br0(operation.address)))
        elif isinstance(fact, LockHolder):
            values[fact] = changed.get("locks", ())
        elif isinstance(fact, DefaultRoute):
            values[fact] = changed.get("route", Route("192.168.7.254", "br0"))
    return Facts(values)


def test_nothing_is_wrong_with_a_host_as_the_chapter_leaves_it() -> None:
    for operation in (SERVER, CLIENT):
        assert [check for check in operation.verify(facts(operation, {})) if not check.holds] == []


@pytest.mark.parametrize(
    ("operation", "changed", "cause"),
    [
        (SERVER, {"docker/tmp": "Avail\n 0"}, "cause.disk"),
        (SERVER, {"/boot": "Avail\n 0"}, "cause.boot"),
        (SERVER, {"locks": (Holder(7, "dpkg", "/var/lib/dpkg/lock"),)}, "cause.lock"),
        (SERVER, {"interfaces": (em1("DOWN"), br0(SERVER.address))}, "cause.carrier"),
        (SERVER, {"interfaces": (em1(master=None), br0(SERVER.address))}, "cause.port"),
        (SERVER, {"interfaces": ()}, "cause.carrier"),
        (SERVER, {"interfaces": (em1(), br0("192.168.7.31/24"))}, "cause.netmask"),
        (CLIENT, {"interfaces": (em1(), br0(CLIENT.address, "192.168.7.31/20"))}, "cause.extra-address"),
        (SERVER, {"route": None}, "cause.gateway"),
        (SERVER, {"ip_forward": "0"}, "cause.forwarding"),
        (SERVER, {"iptables-save": "-A PREROUTING -p tcp -m tcp --dport 6379 -j DROP"}, "cause.firewall"),
        (
            SERVER,
            {"iptables-save": f"*filter\n{BRIDGED} -j REJECT --reject-with icmp-port-unreachable\nCOMMIT"},
            "cause.firewall",
        ),
        (CLIENT, {"iptables-save": f"{BRIDGED} -j REJECT --reject-with tcp-reset"}, "cause.firewall"),
        (SERVER, {"iptables-save": Answered(4, "Another app is holding the xtables lock")}, "cause.firewall"),
        (SERVER, {"iptables-save": Answered(1, "")}, "cause.firewall"),
        (SERVER, {"docker/tmp": Answered(127, "df: not found")}, "cause.disk"),
        (SERVER, {"/boot": Answered(1, "df: /boot: Transport endpoint is not connected")}, "cause.boot"),
        (SERVER, {"s_client": Answered(127, "sh: 1: openssl: not found")}, "cause.certificate"),
        (SERVER, {"daemon.json": json.dumps({**OPTIONS, "registry-mirrors": None})}, "cause.mirror"),
        (SERVER, {"daemon.json": json.dumps({**OPTIONS, "registry-mirrors": 5000})}, "cause.mirror"),
        (SERVER, {"redis-server)": json.dumps({**CONTAINER, "networks": None})}, "cause.name"),
        (CLIENT, {"redis_ambassador": json.dumps({**CONTAINER, "env": None})}, "cause.ambassador"),
        (SERVER, {"is-active": "failed", "redis-server)": "Cannot connect", "ping": False}, "cause.engine"),
        (SERVER, {"daemon.json": "{}"}, "cause.bridge-option"),
        (SERVER, {"daemon.json": "no JSON"}, "cause.bridge-option"),
        (CLIENT, {"daemon.json": json.dumps(OPTIONS)}, "cause.fixed-cidr"),
        (SERVER, {"daemon.json": json.dumps({**OPTIONS, "registry-mirrors": []})}, "cause.mirror"),
        (SERVER, {"ping": False}, "cause.peers"),
        (SERVER, {"redis-server)": json.dumps({**CONTAINER, "state": "exited"})}, "cause.redis"),
        (SERVER, {"protected-mode": "protected-mode\nyes"}, "cause.protected"),
        (SERVER, {"redis-server)": json.dumps({**CONTAINER, "networks": {}})}, "cause.name"),
        (CLIENT, {"redis_ambassador": json.dumps({**CONTAINER, "env": []})}, "cause.ambassador"),
        (SERVER, {"GET greeting": ""}, "cause.key"),
        (
            SERVER,
            {"s_client": "notAfter=Jan  1 00:00:00 2020 GMT\nCertificate will expire"},
            "cause.certificate",
        ),
    ],
)
def test_the_first_check_that_fails_is_the_cause_and_says_what_repairs_it(
    operation: Causes, changed: dict[str, Any], cause: str
) -> None:
    unmet = [check for check in operation.verify(facts(operation, changed)) if not check.holds]
    assert unmet[0].id == cause
    assert unmet[0].observed.endswith(f"; repair: {REPAIRS[cause]}")


DEAD = Answered(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?")
STOPPED = {
    "is-active": "inactive",
    **dict.fromkeys(
        ("redis-server)", "redis_ambassador", "protected-mode", "GET greeting", "docker ps"), DEAD
    ),
}


@pytest.mark.parametrize("operation", [SERVER, CLIENT], ids=["server", "client"])
def test_while_the_engine_does_not_answer_no_container_is_missing_and_nothing_is_to_be_removed(
    operation: Causes,
) -> None:
    named = replace(operation, p=P.model_copy(update={"also_validate": ["25_published_ports"]}))
    engine, *others = [check for check in named.verify(facts(named, STOPPED)) if not check.holds]
    assert engine.id == "cause.engine"
    assert {check.id for check in others} >= {"cause.ambassador"}
    for check in others:
        assert check.observed.startswith(f"unknown: {DEAD.text}; repair: the one of the first check")
        assert "docker rm" not in check.observed


def test_a_container_is_missing_if_the_engine_says_so() -> None:
    absent = {
        "redis-server)": Answered(1, "Error: No such object: redis-server"),
        "redis_ambassador": Answered(1, "error: no such object: redis_ambassador"),
    }
    checks = {check.id: check for check in SERVER.verify(facts(SERVER, absent))}
    assert checks["cause.redis"].observed.startswith("missing; repair: ")
    assert checks["cause.ambassador"].observed.startswith("no variable, missing; repair: ")


def test_a_runbook_that_is_to_be_validated_and_was_never_carried_out_is_named() -> None:
    p = P.model_copy(update={"also_validate": [*LEFT, "50_registry_s3"]})
    on_server, on_client = ["35_two_vlans", "60_overlay_names"], ["25_published_ports", "35_two_vlans"]
    for operation, found in ((replace(SERVER, p=p), on_server), (replace(CLIENT, p=p), on_client)):
        changed = {"docker ps": "redis-server\nredis-published\nnames-redis-former"}
        unmet = [check for check in operation.verify(facts(operation, changed)) if not check.holds]
        assert [check.id for check in unmet] == [f"carried_out.{name}" for name in found]
        for check, name in zip(unmet, found, strict=True):
            assert (
                f"no container {LEFT[name]}; repair: `runbook run {name}`, or leave it out" in check.observed
            )
        assert [check for check in operation.verify(facts(operation, {})) if not check.holds] == []


def test_each_runbook_that_can_be_validated_as_well_is_known_to_leave_something() -> None:
    """One without an entry in `carried_out` would never be named as not carried out."""
    (known,) = get_args(ValidateChapter.model_fields["also_validate"].annotation)
    p, absent = P.model_copy(update={"also_validate": [*get_args(known)]}), {"docker ps": ""}
    checks = [
        check.id
        for operation in (replace(SERVER, p=p), replace(CLIENT, p=p))
        for check in operation.verify(facts(operation, absent))
    ]
    named = {check.removeprefix("carried_out.") for check in checks if check.startswith("carried_out.")}
    assert named | LEAVES_NO_CONTAINER == set(get_args(known))
    assert not named & LEAVES_NO_CONTAINER


def test_what_an_operator_has_made_on_purpose_is_not_a_cause() -> None:
    rules = """*filter
-A INPUT -s 192.168.7.32/32 -p tcp -m tcp --dport 6379 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 6379 -j DROP
-A INPUT -p tcp -m tcp --dport 63790 -j DROP"""
    changed = {"iptables-save": rules, "interfaces": (em1(), br0(SERVER.address, "10.0.0.9/8"))}
    assert [check for check in SERVER.verify(facts(SERVER, changed)) if not check.holds] == []


def test_a_host_without_docker_has_room_in_its_directories() -> None:
    absent = {"docker/tmp": Answered(1, "df: /var/lib/docker/tmp: No such file or directory")}
    assert [check for check in SERVER.verify(facts(SERVER, absent)) if not check.holds] == []


RULE = "-p tcp -m tcp --dport 6379 -j DROP"


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([f"-A INPUT {RULE}"], [0]),
        (["-A INPUT -p tcp -m multiport --dports 22,6000:6400 -j DROP"], [0]),
        (["-A INPUT -p tcp -m multiport --dports 22,6380 -j DROP"], []),
        (["-A INPUT -p tcp -m tcp ! --dport 6379 -j DROP"], []),
        (["-A INPUT -p udp -m udp --dport 6379 -j DROP"], []),
        (['-A INPUT -p tcp -m comment --comment "say -j DROP" -m tcp --dport 6379 -j ACCEPT'], []),
        (['-A INPUT -p tcp -m comment --comment "an open quotation -m tcp --dport 6379 -j DROP'], [0]),
        (["*raw", "-A OUTPUT -p tcp -m tcp --dport 6379 -j ACCEPT", "*filter", f"-A OUTPUT {RULE}"], [3]),
        (["*raw", "-A OUTPUT -p tcp -m tcp --dport 6379 -j ACCEPT", f"-A OUTPUT {RULE}"], []),
        (["# Generated", ":INPUT DROP [0:0]", "-A INPUT -j DROP", "-A", "-A INPUT -p tcp --dport", ""], []),
    ],
)
def test_rules_that_drop_a_port_are_found_by_what_they_match(rules: list[str], found: list[int]) -> None:
    assert list(dropping("\n".join(rules), [6379])) == [rules[index] for index in found]


def test_a_host_without_a_registry_has_no_expired_certificate() -> None:
    refused = {"s_client": "Could not read certificate from <stdin>\nUnable to load certificate"}
    checks = {check.id: check for check in SERVER.verify(facts(SERVER, refused))}
    found = checks["cause.certificate"]
    assert (found.holds, found.observed) == (True, "no registry answers")
    assert found.observed in found.expected  # green for the reason that it shows


def test_where_no_registry_is_named_none_is_asked() -> None:
    alone = replace(SERVER, p=P.model_copy(update={"registry": ""}))
    assert "s_client" not in " ".join(fact.label for fact in alone.facts())
    assert "cause.certificate" not in {check.id for check in alone.verify(facts(alone, {}))}


def test_a_full_boot_and_docker_directory_are_told_apart() -> None:
    for free in (
        0,
        4,
    ):  # what filled the small file system of the drill was removed, and it still covers the directory
        both = {"docker/tmp": f"Avail\n {free}", "/boot": f"Avail\n {free}"}
        unmet = [check.name for check in SERVER.verify(facts(SERVER, both)) if not check.holds]
        assert unmet == ["MiB free in /var/lib/docker/tmp", "MiB free in /boot"]


def test_every_fault_has_a_cause_that_a_check_finds() -> None:
    found = {check.id for check in SERVER.verify(facts(SERVER, {}))}
    assert set(REPAIRS) == found
    assert {fault.cause for fault in HOST_FAULTS.values()} <= found
    assert {name.partition(":")[0] for name in FAULTS} == set(CAUSES)
    assert len(FAULTS) >= 15


def test_the_page_has_the_table_of_drills() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), "run: python -m tests.books.docker.drills_page"
