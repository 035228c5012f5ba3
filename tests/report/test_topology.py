"""The diagram shows what the facts say, and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runbook_lib import Runbook
from runbook_lib.evidence.lookup import read_run
from runbook_lib.facts.interfaces import Interfaces
from runbook_lib.model.status import Status
from runbook_lib.report.topology import topology_of
from runbook_lib.report.topology_model import Container, PhysicalNetwork, Topology
from runbook_lib.report.topology_svg import draw
from runbook_lib.report.topology_text import describe, describe_path
from tests.report import chapter, practice

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_lib.model.records import RunRecord


def topology(*runs: RunRecord) -> Topology:
    found = topology_of(runs)
    assert found is not None
    return found


def texts(shown: Topology) -> list[str]:
    return [text for element in ET.fromstring(draw(shown)).iter() if (text := (element.text or "").strip())]  # noqa: S314 - our own SVG


def test_hosts_have_their_bridges_interfaces_and_containers() -> None:
    first, second = topology(chapter.run()).hosts
    assert (first.name, second.name, first.lab) == ("host-a", "host-b", "chapter")
    br0 = next(bridge for bridge in first.bridges if bridge.name == "br0")
    assert (br0.addresses, br0.interfaces, br0.veths, br0.network) == (
        ["192.168.7.31/20"],
        ["em1"],
        1,
        "bridge",
    )
    assert br0.containers == ["br0-probe", "redis-server", "redis_ambassador"]
    inner = next(bridge for bridge in first.bridges if bridge.name != "br0")
    assert (inner.network, inner.containers) == ("names", ["redis-server", "redis_ambassador"])
    assert [(interface.name, interface.bridge, interface.subnet) for interface in first.interfaces] == [
        ("em1", "br0", "192.168.0.0/20")
    ]


def test_the_interfaces_of_both_hosts_meet_in_one_physical_network() -> None:
    shown = topology(chapter.run())
    members = [("host-a", "em1"), ("host-b", "em1")]
    assert shown.networks == [PhysicalNetwork("192.168.0.0/20", members)]
    assert "physical network 192.168.0.0/20: host-a em1, host-b em1" in texts(shown)


def with_neighbors(**neighbors: list[dict[str, str]]) -> Topology:
    """Return the chapter's topology with other neighbors of host-a and host-b (`a`, `b`)."""
    whole = chapter.run()
    first, *others = whole.steps
    hosts = [
        host.model_copy(update={"facts": host.facts | {"Neighbors": neighbors.get(host.host[-1], [])}})
        for host in first.hosts
    ]
    return topology(whole.model_copy(update={"steps": [first.model_copy(update={"hosts": hosts}), *others]}))


def neighbor(address: str, mac: str, interface: str = "br0") -> dict[str, str]:
    return {"address": address, "mac": mac, "interface": interface}


OTHER = "02:00:00:00:00:b0"  # host-b's
ROUTER = "02:00:00:00:07:fe"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param([neighbor("192.168.7.32", OTHER)], [], id="one-knows-the-other"),
        pytest.param(
            [neighbor("192.168.7.254", ROUTER)], [neighbor("192.168.7.254", ROUTER)], id="same-router"
        ),
    ],
)
def test_hosts_are_joined_if_their_neighbors_prove_it(
    a: list[dict[str, str]], b: list[dict[str, str]]
) -> None:
    assert [network.proved for network in with_neighbors(a=a, b=b).networks] == [True]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param(
            [neighbor("192.168.7.254", ROUTER)],
            [neighbor("192.168.7.254", "02:00:00:00:07:ff")],
            id="other-routers-with-one-address",
        ),
        pytest.param(
            [neighbor("192.168.7.254", "00:00:5e:00:01:07")],
            [neighbor("192.168.7.254", "00:00:5e:00:01:07")],
            id="virtual-routers-have-one-hardware-address",
        ),
        pytest.param(
            [neighbor("192.168.7.254", "52:55:c0:a8:07:fe")],
            [neighbor("192.168.7.254", "52:55:c0:a8:07:fe")],
            id="virtual-machines-in-networks-of-their-own",
        ),
        pytest.param(
            [neighbor("172.18.0.9", ROUTER, "br-5c1d3a9e0f12")],
            [neighbor("172.18.0.9", ROUTER, "br-5c1d3a9e0f12")],
            id="containers-of-each-host",
        ),
        pytest.param([neighbor("not an address", OTHER)], [], id="unexpected-form"),
    ],
)
def test_hosts_of_one_subnet_are_not_joined_without_proof(
    a: list[dict[str, str]], b: list[dict[str, str]]
) -> None:
    shown = with_neighbors(a=a, b=b)
    lines = [
        f"physical network 192.168.0.0/20: {host} em1 (not proved to be joined with the others)"
        for host in ("host-a", "host-b")
    ]
    assert [network.label for network in shown.networks] == lines
    assert set(lines) <= set(texts(shown))
    assert [line for depth, line in describe(shown) if line.startswith("Physical")] == [
        f"P{line[1:]}" for line in lines
    ]


def test_the_path_of_a_ping_goes_from_client_to_server() -> None:
    shown = topology(chapter.run())
    assert [hop.number for hop in shown.hops] == [4, 3, 2, 1]
    assert describe_path(shown) == (
        "PING: redis-client (host-b) → redis_ambassador (host-b) → redis_ambassador (host-a) → "
        "redis-server (host-a): PONG ✓"
    )
    assert {"4 ✓", "3 ✓", "2 ✓"} <= set(texts(shown))


def test_a_broken_hop_is_named_and_drawn_as_failed() -> None:
    shown = topology(chapter.run(broken=[3, 4]))
    assert describe_path(shown).endswith(
        "✗ no PONG; the path breaks at hop 3: client-side ambassador to server host 192.168.7.31:6379"
    )
    assert {"4 ✗", "3 ✗", "2 ✓"} <= set(texts(shown))


def test_the_hop_checks_of_a_plan_are_not_drawn() -> None:
    whole = chapter.run(broken=[1, 2, 3, 4])
    steps = [
        step.model_copy(
            update={"hosts": [host.model_copy(update={"status": Status.SKIPPED}) for host in step.hosts]}
        )
        for step in whole.steps
    ]
    assert topology(whole.model_copy(update={"steps": steps})).hops == []


def test_every_wire_ends_on_a_bridge_and_every_container_is_inside_its_host() -> None:
    root = ET.fromstring(draw(topology(chapter.run())))  # noqa: S314 - our own SVG
    name = "{http://www.w3.org/2000/svg}"

    def areas(kind: str) -> list[tuple[float, float, float, float]]:
        found = [rect for rect in root.iter(f"{name}rect") if rect.get("class") == kind]
        sides = ("x", "y", "width", "height")
        return [(a, b, a + c, b + d) for a, b, c, d in ([float(r.get(s, "")) for s in sides] for r in found)]

    hosts = areas("host")
    inside = [*areas("container"), *areas("ambassador"), *areas("bridge"), *areas("interface")]
    assert len(areas("ambassador")) == 2
    for left, top, right, bottom in inside:
        assert any(x <= left and y <= top and right <= x2 and bottom <= y2 for x, y, x2, y2 in hosts)
    ends = [(float(w.get("x2", "")), float(w.get("y2", ""))) for w in root.iter(f"{name}line")]
    targets = [*areas("bridge"), *areas("interface"), *areas("switch")]
    for x, y in ends:
        assert any(left <= x <= right and top == y for left, top, right, _ in targets)


def test_the_text_description_contains_everything_that_is_drawn() -> None:
    shown = topology(chapter.run())
    words = "\n".join(line for _, line in describe(shown))
    for host in shown.hosts:
        for bridge in host.bridges:
            assert bridge.name in words
        for item in host.containers:
            assert item.name in words
            assert all(address in words for address in item.addresses)
    assert "-p 6379:6379/tcp" in texts(shown)
    assert "published: 6379:6379/tcp" in words


def test_containers_off_the_path_are_below_it_and_an_overlay_is_named() -> None:
    shown = topology(chapter.run())
    first = shown.hosts[0]
    others = [
        Container(name=f"blue-{number}", state="running", networks={"blue": f"10.77.2.{number}"})
        for number in range(2, 26)
    ]
    more = replace(first, containers=[*others, *first.containers])
    crowded = Topology([more, *shown.hosts[1:]], shown.networks, shown.hops)
    heights = {
        element.text: float(element.attrib["y"])
        for element in ET.fromstring(draw(crowded)).iter()  # noqa: S314 - our own SVG
        if element.text and "y" in element.attrib
    }
    assert heights["redis-server"] < min(heights[item.name] for item in others if item.name in heights)
    assert "10.77.2.2 blue" in heights
    assert any("10.77.2.2 blue" in line for _, line in describe(crowded))
    picture = ET.fromstring(draw(crowded))  # noqa: S314 - our own SVG
    assert float(picture.attrib["width"]) <= 1500, "two hosts fit a page, however many containers they have"
    assert "scaled" in picture.attrib["class"].split()


def test_the_newest_facts_of_a_host_are_shown() -> None:
    older = chapter.run()
    step = chapter.run().steps[0]
    later = step.hosts[0].model_copy(update={"facts": {"Containers": []}})
    newer = chapter.run(
        started=chapter.STARTED.replace(hour=16), steps=[step.model_copy(update={"hosts": [later]})]
    )
    first = topology(newer, older).hosts[0]
    assert all(not bridge.containers for bridge in first.bridges)
    assert {interface.name for interface in first.interfaces} == {"em1"}


def test_a_container_that_was_only_read_by_name_is_shown() -> None:
    whole = chapter.run()
    named = {
        "Interfaces": chapter.interfaces("host-a"),
        "Container(redis-server)": {"running": True, "state": "running", "networks": {"x": "172.18.0.9"}},
        "Container(gone)": None,
    }
    step = whole.steps[0].model_copy(update={"hosts": [chapter.record("host-a", facts=named)]})
    (host,) = topology(whole.model_copy(update={"steps": [step]})).hosts
    assert [item.name for item in host.containers] == ["redis-server"]


def test_without_facts_there_is_no_diagram(failed: RunRecord) -> None:
    assert topology_of([failed]) is None
    assert topology_of([]) is None


@pytest.mark.parametrize("facts", [{"Interfaces": "eth0"}, {"Interfaces": [{"name": "eth0"}]}])
def test_facts_of_an_unexpected_form_give_no_diagram_and_no_error(facts: dict[str, object]) -> None:
    step = chapter.run().steps[0].model_copy(update={"hosts": [chapter.record("host-a", facts=facts)]})
    assert topology_of([chapter.run(steps=[step])]) is None


def test_this_machine_s_own_interfaces_can_be_drawn(tmp_path: Path) -> None:
    book = Runbook.open(practice.parameters(tmp_path, hosts="host-a"))
    book.facts("Read the interfaces", Interfaces())
    book.close()
    (host,) = topology(read_run(book.directory)).hosts
    assert host.name == "host-a"
    assert texts(Topology([host], [], []))
