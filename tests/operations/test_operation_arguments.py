"""Arguments that cannot be right are refused before any host is touched; and what the cases cannot tell as JSON."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import runbook_lib.operations
from runbook_lib.books.docker import ambassador, hops
from runbook_lib.books.docker.parameters import AmbassadorRedis
from runbook_lib.errors import ParameterError
from runbook_lib.facts.base import Facts
from runbook_lib.facts.interfaces import Reachable
from runbook_lib.facts.kernel import Kernel, KernelInfo
from runbook_lib.operations import bridge, container, docker_engine
from runbook_lib.operations.base import Operation
from runbook_lib.operations.observe import Observe


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"address": "192.168.7.31"}, "no prefix length"),
        ({"address": "192.168.7.331/20"}, "192.168.7.331"),
        ({"address": "192.168.7.31/33"}, "192.168.7.31/33"),
        ({"gateway": "10.0.0.1"}, "gateway 10.0.0.1 is not in 192.168.0.0/20"),
        ({"gateway": "gateway.example"}, "gateway.example"),
        ({"nameservers": ("dns.example",)}, "dns.example"),
    ],
)
def test_a_bridge_with_addresses_that_cannot_be_right_is_refused(arguments: dict[str, Any], why: str) -> None:
    right: dict[str, Any] = {
        "name": "br0",
        "port": "em1",
        "address": "192.168.7.31/20",
        "gateway": "192.168.7.254",
    }
    bridge.present(**right)
    with pytest.raises(ParameterError, match="bridge br0") as refused:
        bridge.present(**{**right, **arguments})
    assert why in refused.value.message


@pytest.mark.parametrize(
    "port", ["6379", "127.0.0.1:6379:6379", "6379:6379/udp", "6000-6009:6000-6009", "a:b", ""]
)
def test_ports_in_a_form_that_no_check_would_find_again_are_refused(port: str) -> None:
    with pytest.raises(ParameterError, match="container web"):
        container.running("web", "web:1", publish=(port,))


def test_a_container_made_from_anything_else_has_another_spec() -> None:
    one = container.running("web", "web:1")
    others = [
        container.running("web", "web:2"),
        container.running("web", "web:1", command=("true",)),
        container.running("web", "web:1", publish=("80:80",)),
        container.running("web", "web:1", links=("a:b",)),
        container.running("web", "web:1", environment=(("A", "b"),)),
        container.running("web", "web:1", joined="names"),
        container.running("web", "web:1", aliases=("www",)),
    ]
    assert len({operation.spec for operation in [one, *others]}) == len(others) + 1
    assert container.running("other", "web:1", within="10.0.0.0/8").spec == one.spec


def test_observing_checks_that_every_fact_was_gathered() -> None:
    look = Observe((Kernel(), Reachable("10.0.0.1")))
    facts = Facts({Kernel(): KernelInfo("Linux", "6.1", "x86_64"), Reachable("10.0.0.1"): False})
    assert look.plan(facts).commands == ()
    assert [check.holds for check in look.verify(facts)] == [True]
    assert [check.holds for check in look.verify(Facts({}))] == [False]
    assert look.describe() == "observe(Kernel, Reachable(10.0.0.1))"


def test_an_option_by_which_an_engine_cannot_be_told_apart_makes_no_other_operation() -> None:
    assert hash(docker_engine.configured({"bridge": "br0"})) == hash(docker_engine.configured({}))
    assert docker_engine.configured({"bridge": "br0"}) != docker_engine.configured({})


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


def test_by_network_each_container_calls_the_next_hop_by_one_alias() -> None:
    p = parameters("network")
    chain = [ambassador.redis(p), ambassador.server_side(p), ambassador.client_side(p), ambassador.client(p)]
    assert {operation.joined for operation in chain} == {ambassador.NETWORK}
    assert [operation.aliases for operation in chain] == [("redis",), (), ("redis",), ()]
    assert all(operation.links == () for operation in chain)


def test_by_links_each_container_is_linked_to_its_neighbour() -> None:
    p = parameters("link")
    chain = [ambassador.redis(p), ambassador.server_side(p), ambassador.client_side(p), ambassador.client(p)]
    assert [operation.links for operation in chain] == [
        (), ("redis-server:redis",), (), ("redis_ambassador:redis",)
    ]  # fmt: skip
    assert all(operation.joined is None for operation in chain)


@pytest.mark.parametrize("wiring", ["network", "link"])
def test_only_ambassador_and_comparison_publish_ports_and_no_engine_has_to_set_link_variables(
    wiring: str,
) -> None:
    p = parameters(wiring)
    assert ambassador.redis(p).publish == ()
    assert ambassador.server_side(p).publish == ("16379:6379",)
    assert ambassador.client_side(p).publish == ()
    assert ambassador.published(p).publish == ("6380:6379",)
    assert ambassador.server_side(p).environment == (("REDIS_PORT_6379_TCP", "tcp://redis:6379"),)
    assert ambassador.client_side(p).environment == (("REDIS_PORT_6379_TCP", "tcp://192.168.7.31:16379"),)


def test_the_network_sorts_after_the_default_bridge_which_must_give_the_default_route() -> None:
    assert ambassador.NETWORK > "bridge"


def test_each_hop_names_itself_and_asks_where_it_says() -> None:
    p = parameters("network")
    asked = {
        hops.redis_itself(p): "docker exec redis-server redis-cli ping",
        hops.server_ambassador_to_redis(p): "docker exec -i redis_ambassador socat -t 3 - TCP4:redis:6379",
        hops.host_to_host(p): "-i redis_ambassador socat -t 3 - TCP4:192.168.7.31:16379,connect-timeout=3",
        hops.client_to_ambassador(p): "docker exec redis-client redis-cli -h redis -p 6379 ping",
        hops.published_port(p): "docker exec redis-client redis-cli -h 192.168.7.31 -p 6380 ping",
        hops.key_on_server(p): "docker exec redis-server redis-cli GET greeting",
    }
    for hop, words in asked.items():
        (fact,) = hop.facts()
        assert fact.label.endswith(f"{words})")
    assert len({hop.what for hop in asked}) == len(asked)


def test_the_key_set_by_the_client_is_the_one_read_on_the_server() -> None:
    p = parameters("network")
    assert hops.key(p).value == hops.key_on_server(p).expect
    assert hops.key(p).name in hops.key_on_server(p).argv


@pytest.mark.parametrize(
    "module", [item.name for item in pkgutil.iter_modules(runbook_lib.operations.__path__)]
)
def test_a_public_function_of_an_operation_module_is_its_class_by_the_desired_states_name(
    module: str,
) -> None:
    loaded = importlib.import_module(f"runbook_lib.operations.{module}")
    for name in loaded.__all__:
        member = getattr(loaded, name)
        if isinstance(member, type) and issubclass(member, Operation) and name.islower():
            assert member.__name__.lower() == name.replace("_", "")
