"""The Docker book's ambassadors and the hops between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbook_lib.books.docker import ambassador, hops, published_redis
from runbook_lib.books.docker.parameters import AmbassadorRedis
from runbook_lib.model.records import RunRecord
from runbook_lib.report.topology import topology_of
from tests.report import chapter


def parameters(wiring: str) -> AmbassadorRedis:
    return AmbassadorRedis.model_validate(
        {
            "inventory": "inventory.yml",
            "hosts": "all",
            "server": "host-a",
            "client": "host-b",
            "server_address": "192.168.7.31",
            "port": 16379,
            "wiring": wiring,
            "redis_image": "redis-server:1",
            "client_image": "redis-cli:1",
            "ambassador_image": "ambassador:1",
        }
    )


def test_on_a_network_each_container_reaches_its_next_hop_by_one_alias() -> None:
    p = parameters("network")
    chain = [ambassador.redis(p), ambassador.server_side(p), ambassador.client_side(p), ambassador.client(p)]
    assert {operation.joined for operation in chain} == {ambassador.NETWORK}
    assert [operation.aliases for operation in chain] == [("redis",), (), ("redis",), ()]
    assert all(operation.links == () for operation in chain)


def test_with_links_each_container_is_linked_to_its_next_hop() -> None:
    p = parameters("link")
    chain = [ambassador.redis(p), ambassador.server_side(p), ambassador.client_side(p), ambassador.client(p)]
    assert [operation.links for operation in chain] == [
        (), ("redis-server:redis",), (), ("redis_ambassador:redis",)
    ]  # fmt: skip
    assert {operation.joined for operation in chain} == {None}


@pytest.mark.parametrize("wiring", ["network", "link"])
def test_only_ambassador_and_comparison_publish_ports_and_link_variables_are_explicit(
    wiring: str,
) -> None:
    p = parameters(wiring)
    assert ambassador.redis(p).publish == ()
    assert ambassador.server_side(p).publish == ("16379:6379",)
    assert ambassador.client_side(p).publish == ()
    assert published_redis.redis(p).publish == ("6380:6379",)
    assert ambassador.server_side(p).environment == (("REDIS_PORT_6379_TCP", "tcp://redis:6379"),)
    assert ambassador.client_side(p).environment == (("REDIS_PORT_6379_TCP", "tcp://192.168.7.31:16379"),)


def test_the_network_sorts_after_the_default_bridge_which_must_have_the_default_route() -> None:
    assert ambassador.NETWORK > "bridge"


def test_each_hop_has_a_name_of_its_own_and_is_checked_where_it_says() -> None:
    p = parameters("network")
    asked = {
        hops.redis_itself(p): "docker exec redis-server timeout 5 redis-cli ping",
        hops.server_ambassador_to_redis(
            p
        ): "docker exec -i redis_ambassador timeout 5 socat -t 3 - TCP4:redis:6379",
        hops.host_to_host(
            p
        ): "-i redis_ambassador timeout 5 socat -t 3 - TCP4:192.168.7.31:16379,connect-timeout=3",
        hops.client_to_ambassador(p): "docker exec redis-client timeout 5 redis-cli -h redis -p 6379 ping",
        hops.published_port(p): "docker exec redis-client timeout 5 redis-cli -h 192.168.7.31 -p 6380 ping",
        hops.key_on_server(p): "docker exec redis-server timeout 5 redis-cli GET greeting",
    }
    for hop, words in asked.items():
        (fact,) = hop.facts()
        assert fact.label.endswith(f"{words})")
    assert len({hop.what for hop in asked}) == len(asked)


def test_the_key_set_by_the_client_is_the_one_read_on_the_server() -> None:
    p = parameters("network")
    assert hops.key(p).value == hops.key_on_server(p).expect
    assert hops.key(p).name in hops.key_on_server(p).argv


def test_hop_ids_give_the_order_in_reports() -> None:
    p = parameters("network")
    path = [hops.redis_itself(p), hops.server_ambassador_to_redis(p), hops.host_to_host(p)]
    assert [hop.id for hop in [*path, hops.client_to_ambassador(p)]] == [
        "hop.1",
        "hop.2",
        "hop.3",
        hops.WHOLE_PATH,
    ]
    assert "hop.1" not in path[0].describe()


def test_hops_in_evidence_without_ids_are_recognized_by_name() -> None:
    new = chapter.run(schema_version=1)
    named = new.model_dump(mode="json")
    for step in named["steps"]:
        for host in step["hosts"]:
            for check in host["checks"]:
                del check["id"]
    old = RunRecord.model_validate(named)
    drawn = topology_of([old])
    assert drawn
    assert drawn.hops == []
    assert hops.with_hop_ids(old) == new == hops.with_hop_ids(new)


def test_names_are_only_used_in_the_schema_without_ids() -> None:
    newer = chapter.run(schema_version=2)
    without = [replace(check, id="") for step in newer.steps for host in step.hosts for check in host.checks]
    host = newer.steps[1].hosts[0].model_copy(update={"checks": without})
    step = newer.steps[1].model_copy(update={"hosts": [host]})
    record = newer.model_copy(update={"steps": [step]})
    assert hops.with_hop_ids(record) == record
